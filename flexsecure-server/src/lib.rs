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
    delivery::{Channel, Delivery, DeliveryError, Inbox, Message, Smtp, SmtpConfigError},
    directory::{ApiKey, Assignment, Directory, DirectoryError, NewUser, Policies, System, User},
    doctor::{Finding, Verdict},
    error::{OpenError, ReloadError, ServeError, StoreError},
    metrics::{Metrics, MetricsError},
    secret::{
        ApiKeySecret, RandomnessError, ServerKeyInfo, ServerKeysError, list_server_keys,
        rotate_server_keys,
    },
    server::Server,
    serving::TlsError,
};
pub use flexsecure_core::{
    Method, UnknownMethod,
    page::{PagesError, TemplateError},
};
