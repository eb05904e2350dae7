//! From a socket to a handler and back: what everybody who reaches the port can do, before anything is known of him.
//!
//! | file | role |
//! | --- | --- |
//! | `accept` | takes connections, as many as there is room for, and sees them off |
//! | `connection` | one connection: HTTP/1.1 or HTTP/2, and when it is closed |
//! | `activity` | whether a connection is of use to anybody |
//! | `tls` | certificate and key, read again when they change |
//! | `body` | how long a body may take |
//! | `client` | who calls, by the peer's address or what a trusted proxy says |
//! | `request_id` | the name of a request in logs and answers |
//! | `observe` | what is noted of each request |
//! | `wrong_keys` | how often an address may call with a wrong API key |

mod accept;
mod activity;
mod body;
mod client;
mod connection;
mod observe;
mod request_id;
mod tls;
mod wrong_keys;

pub use self::tls::TlsError;
pub(crate) use self::{
    accept::accept,
    body::limit_time as limit_body_time,
    client::{Client, TrustedProxies},
    observe::{NothingNew, Observer, observe},
    tls::TlsIdentity,
    wrong_keys::{Refused, WrongKeys},
};
