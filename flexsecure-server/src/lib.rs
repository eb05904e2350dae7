#![doc = include_str!("../README.md")]

mod api;
mod approval;
mod challenge;
mod clock;
mod config;
mod delivery;
mod directory;
mod error;
mod pages;
mod secret;
mod server;
mod stopping;
mod store;

pub use self::{
    clock::{Clock, SystemClock, UnixMillis},
    config::{Config, PublicUrl, PublicUrlError},
    delivery::{
        Accepted, AnswerSettings, Channel, Delivery, DeliveryError, DeliveryErrorKind, Inbox,
        MailSettings, Message, ProviderName, ProviderNameError, Receipt, ReceiptError,
        ReceiptStatus, SettingsFileError, SigningSecret, SigningSecretError, SmsConfigError,
        SmsGateway, SmsMethod, SmsPreset, SmsSettings, Smtp, SmtpConfigError,
    },
    directory::{
        Account, ApiKey, Assignment, Change, Contact, Directory, DirectoryError, Import,
        ImportError, ImportFormat, Imported, ImportedLine, KeyRequest, LineOutcome, NewUser, Page,
        Policies, Scopes, System, UnknownFormat, User, UserFilter, csv_report,
    },
    error::{OpenError, ServeError, StoreError},
    secret::{ApiKeySecret, RandomnessError, ServerKeysError},
    server::Server,
};
pub use flexsecure_core::{
    Method, UnknownMethod,
    page::{PagesError, TemplateError},
};
