#![doc = include_str!("../README.md")]

mod api;
mod approval;
mod challenge;
mod clock;
mod config;
mod delivery;
mod directory;
mod doctor;
mod error;
mod metrics;
mod pages;
mod secret;
mod server;
mod serving;
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
    doctor::{Finding, Verdict},
    error::{OpenError, ReloadError, ServeError, StoreError},
    metrics::{Metrics, MetricsError},
    secret::{
        ApiKeySecret, RandomnessError, ServerKeyInfo, ServerKeysError, list_server_keys,
        rotate_server_keys,
    },
    server::Server,
    serving::TlsError,
    store::{DatabaseLocation, TransferError},
};
pub use flexsecure_core::{
    Method, UnknownMethod,
    page::{PagesError, TemplateError},
};
