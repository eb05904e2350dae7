use std::time::SystemTime;

use rustls::{client::verify_server_name, pki_types::ServerName, server::ParsedCertificate};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use super::{Finding, files};
use crate::{PublicUrl, UnixMillis, config::TlsFiles, serving::TlsIdentity};

pub(super) fn examine(tls: &TlsFiles, public_url: &PublicUrl) -> Vec<Finding> {
    let identity = match TlsIdentity::load(tls) {
        Ok(identity) => identity,
        Err(error) => {
            let advice = "name a certificate chain and its key, both PEM, below [tls]";
            return vec![Finding::failed("certificate", &error, advice)];
        }
    };
    let mut findings = Vec::new();
    if let Some(certificate) = identity.certificate() {
        findings.push(examine_dates(&certificate));
        let is_for = |name| {
            let certificate = ParsedCertificate::try_from(&certificate).ok()?;
            verify_server_name(&certificate, &name).ok()
        };
        let host = public_url.bare_host();
        let name = ServerName::try_from(host).ok();
        if name.and_then(is_for).is_none() {
            let told = format!("it is not for {host}, the host of `public_url`");
            let advice = "browsers refuse it, unless a proxy with another one is in front";
            findings.push(Finding::warning("certificate", told, advice));
        }
    }
    findings.push(files::examine("certificate", &tls.key));
    findings
}

fn examine_dates(certificate: &[u8]) -> Finding {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return Finding::broken("certificate", "its dates can't be read", "issue it again");
    };
    let now = UnixMillis::from(SystemTime::now());
    let moment = |seconds: i64| UnixMillis::new(seconds.saturating_mul(1000));
    let validity = certificate.validity();
    let (begins, ends) =
        (moment(validity.not_before.timestamp()), moment(validity.not_after.timestamp()));
    if begins > now {
        return Finding::broken("certificate", "it is not valid yet", "is the clock right?");
    }
    let left = ends.saturating_since(now);
    if left.is_zero() {
        return Finding::broken("certificate", "it has expired", "renew it");
    }
    let days = left.as_secs() / DAY;
    if days < WARN_DAYS {
        return Finding::warning("certificate", format!("it expires in {days} days"), "renew it");
    }
    Finding::ok("certificate", format!("it fits its key, and is valid for {days} more days"))
}

const DAY: u64 = 24 * 60 * 60;
const WARN_DAYS: u64 = 21;
