//! Flows and elevations as texts, for stores outside of this process.
//!
//! A text is a JSON object with the number of its form. Nodes of two releases share a store while
//! they are replaced one after the other, so a form changes as follows: fields are only added, with
//! a default for those who find none, and ignored by those who do not know them. Where that will not
//! do, the form gets the next number, which a release can read before one writes it.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Binding, FlowRecord};
use crate::authority::Origin;
use crate::flow::{FlowId, Written};
use crate::{Elevation, Method, Operation, Scope, SessionKey, Timestamp};

impl FlowRecord {
    /// The record as a JSON text.
    ///
    /// It names the user and what they do, so it belongs into a store and not into a log.
    #[must_use]
    pub fn to_text(&self) -> String {
        let binding = &*self.binding;
        to_text(&WrittenRecord {
            form: FORM,
            id: self.id.to_string().into(),
            version: self.version,
            session: hexadecimal(binding.session.as_bytes()).into(),
            user: Cow::Borrowed(&binding.auth_id),
            scope: WrittenScope::from(&binding.scope),
            return_to: binding.return_to.as_deref().map(Cow::Borrowed),
            address: binding.origin.ip,
            user_agent: binding.origin.user_agent.as_deref().map(Cow::Borrowed),
            login: binding.login.map(|flow| flow.to_string().into()),
            flow: Written::from(&self.flow),
        })
    }

    /// The record that `text` is.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if it is none, or one of a later release: to a store it is then not there.
    pub fn from_text(text: &str) -> Result<Self, Unreadable> {
        let written: WrittenRecord<'_> = from_text(text)?;
        let session = SessionKey::from_bytes(bytes(&written.session)?);
        let mut binding = Binding::new(session, written.user.into(), written.scope.read()?);
        binding.return_to = written.return_to.map(Box::from);
        binding.origin =
            Origin { ip: written.address, user_agent: written.user_agent.map(Box::from) };
        binding.login = written.login.as_deref().map(flow_id).transpose()?;
        let (id, flow) = (flow_id(&written.id)?, written.flow.into());
        Ok(Self { id, version: written.version, binding: Arc::new(binding), flow })
    }
}

impl Elevation {
    /// The elevation as a JSON text, which is the same whether it is spent or not: that is for the
    /// store to keep beside it.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_text(&WrittenElevation {
            form: FORM,
            flow: self.flow.to_string().into(),
            scope: WrittenScope::from(&self.scope),
            method: self.method,
            authenticated_at: self.authenticated_at,
            address: self.address,
        })
    }

    /// The elevation that `text` is, unspent.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if it is none, or one of a later release: to a store it is then not there.
    pub fn from_text(text: &str) -> Result<Self, Unreadable> {
        let written: WrittenElevation<'_> = from_text(text)?;
        Ok(Self {
            scope: written.scope.read()?,
            method: written.method,
            authenticated_at: written.authenticated_at,
            flow: flow_id(&written.flow)?,
            address: written.address,
            spent: false,
        })
    }
}

/// Why a text is no flow or elevation. It says nothing of what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It is damaged, or somebody else's.
    #[error("the text is not what was written")]
    Malformed,
    /// A release wrote it that this one does not know: they are more than one apart.
    #[error("the text is of form {form}, and forms up to {FORM} are known")]
    Newer {
        /// Its form.
        form: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct WrittenRecord<'a> {
    form: u32,
    #[serde(borrow)]
    id: Cow<'a, str>,
    version: u64,
    #[serde(borrow)]
    session: Cow<'a, str>,
    #[serde(borrow)]
    user: Cow<'a, str>,
    #[serde(borrow)]
    scope: WrittenScope<'a>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    return_to: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    login: Option<Cow<'a, str>>,
    flow: Written,
}

#[derive(Serialize, Deserialize)]
struct WrittenElevation<'a> {
    form: u32,
    #[serde(borrow)]
    flow: Cow<'a, str>,
    #[serde(borrow)]
    scope: WrittenScope<'a>,
    method: Method,
    authenticated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
}

#[derive(Serialize, Deserialize)]
struct WrittenScope<'a> {
    #[serde(borrow)]
    system: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    operation: Option<WrittenOperation<'a>>,
    single_use: bool,
}

#[derive(Serialize, Deserialize)]
struct WrittenOperation<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
}

impl<'a> From<&'a Scope> for WrittenScope<'a> {
    fn from(scope: &'a Scope) -> Self {
        let operation = scope.operation().map(|operation| WrittenOperation {
            text: operation.text().into(),
            digest: hexadecimal(operation.digest()).into(),
        });
        Self { system: scope.system().into(), operation, single_use: scope.single_use() }
    }
}

impl WrittenScope<'_> {
    fn read(self) -> Result<Scope, Unreadable> {
        let operation = self.operation.map(|operation| {
            bytes(&operation.digest).map(|digest| Operation::restored(&operation.text, digest))
        });
        Ok(Scope {
            system: self.system.into(),
            operation: operation.transpose()?,
            single_use: self.single_use,
        })
    }
}

#[expect(clippy::expect_used, reason = "maps with other keys than texts, or a failing `Serialize`")]
fn to_text(written: &impl Serialize) -> String {
    serde_json::to_string(written).expect("there are none of these in here")
}

fn from_text<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unreadable> {
    #[derive(Deserialize)]
    struct Head {
        form: u32,
    }

    let Head { form } = serde_json::from_str(text).map_err(|_| Unreadable::Malformed)?;
    match form {
        FORM => serde_json::from_str(text).map_err(|_| Unreadable::Malformed),
        0 => Err(Unreadable::Malformed),
        _ => Err(Unreadable::Newer { form }),
    }
}

fn hexadecimal(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}

fn bytes(hexadecimal: &str) -> Result<[u8; 32], Unreadable> {
    let bytes = blake3::Hash::from_hex(hexadecimal).map_err(|_| Unreadable::Malformed)?;
    Ok(*bytes.as_bytes())
}

fn flow_id(text: &str) -> Result<FlowId, Unreadable> {
    text.parse().map_err(|_| Unreadable::Malformed)
}

/// The form that this release writes, and the only one so far.
const FORM: u32 = 1;
