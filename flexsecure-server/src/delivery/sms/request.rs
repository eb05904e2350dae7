use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Certificate, Client, Method, RequestBuilder, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    resolver::{Resolver, is_link_local},
    settings::{SmsConfigError, SmsMethod, SmsSettings},
};
use crate::{
    UnixMillis,
    delivery::{
        settings::{certificate_file, is_loopback, secret, secret_file},
        webhook::{self, SigningSecret},
    },
};

/// Makes requests to one gateway.
pub(super) struct Requests {
    client: Client,
    method: Method,
    url: Url,
    check_url: Option<Url>,
    headers: HeaderMap,
    content_type: HeaderValue,
    signing_secret: Option<SigningSecret>,
}

/// What a check can tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Check {
    Connection,
    Authentication,
}

impl Requests {
    pub(super) fn new(settings: &SmsSettings) -> Result<Self, SmsConfigError> {
        let account = settings.account.as_deref();
        let url = settings.url.as_deref().ok_or(SmsConfigError::Missing { name: "url" })?;
        let url = parse_url("url", url, account)?;
        let check_url = settings.check_url.as_deref();
        let check_url = check_url.map(|url| parse_url("check_url", url, account)).transpose()?;
        let content_type = settings.content_type.as_deref().unwrap_or("application/json");
        let content_type = HeaderValue::from_str(content_type)
            .map_err(|_| SmsConfigError::Header { name: CONTENT_TYPE.to_string() })?;
        let signing_secret = secret(
            "signing_secret",
            settings.signing_secret.clone(),
            settings.signing_secret_file.as_deref(),
        )?;
        Ok(Self {
            client: client(
                settings,
                &url,
                check_url.as_ref(),
                Resolver { leaves_out: is_link_local },
            )?,
            method: match settings.method {
                None | Some(SmsMethod::Post) => Method::POST,
                Some(SmsMethod::Put) => Method::PUT,
            },
            url,
            check_url,
            headers: headers(settings)?,
            content_type,
            signing_secret: signing_secret
                .map(|secret| SigningSecret::parse(secret.expose_secret()))
                .transpose()?,
        })
    }

    pub(super) fn is_json(&self) -> bool {
        let essence = self.content_type.to_str().unwrap_or_default().split(';').next();
        essence.is_some_and(|essence| {
            let essence = essence.trim().to_ascii_lowercase();
            essence == "application/json" || essence.ends_with("+json")
        })
    }

    pub(super) fn message(&self, body: String, reference: &str, now: UnixMillis) -> RequestBuilder {
        let mut request = self
            .client
            .request(self.method.clone(), self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, &self.content_type);
        if let Some(secret) = &self.signing_secret {
            for (name, value) in webhook::sign(secret, reference, now, body.as_bytes()) {
                request = request.header(name, value);
            }
        }
        request.body(body)
    }

    /// It changes nothing.
    pub(super) fn check(&self) -> (RequestBuilder, Check) {
        match &self.check_url {
            Some(url) => {
                let request = self.client.get(url.clone()).headers(self.headers.clone());
                (request, Check::Authentication)
            }
            None => {
                let mut root = self.url.clone();
                root.set_path("/");
                root.set_query(None);
                (self.client.head(root), Check::Connection)
            }
        }
    }
}

fn client(
    settings: &SmsSettings,
    url: &Url,
    check_url: Option<&Url>,
    resolver: Resolver,
) -> Result<Client, SmsConfigError> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .dns_resolver(resolver)
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE.saturating_add(PATIENCE_WITH_REQUEST))
        .pool_max_idle_per_host(0);
    if is_loopback(url) || check_url.is_some_and(is_loopback) {
        // What stays on this machine in clear must not go through a proxy.
        builder = builder.no_proxy();
    }
    if let Some(path) = &settings.root_certificate_file {
        let pem = certificate_file(path)?;
        let certificates =
            Certificate::from_pem_bundle(pem.as_bytes()).map_err(SmsConfigError::Tls)?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(SmsConfigError::Tls)
}

fn parse_url(name: &'static str, text: &str, account: Option<&str>) -> Result<Url, SmsConfigError> {
    let text = match (text.contains(ACCOUNT), account) {
        (false, _) => text.to_owned(),
        (true, None) => return Err(SmsConfigError::Missing { name: "account" }),
        (true, Some(account)) => {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if account.is_empty() || account.starts_with('.') || !account.chars().all(is_plain) {
                return Err(SmsConfigError::Account);
            }
            text.replace(ACCOUNT, account)
        }
    };
    let malformed = SmsConfigError::Url { name };
    let Ok(url) = Url::parse(&text) else { return Err(malformed) };
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let address = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    match (url.scheme(), url.has_host() && bare) {
        ("https", true) if address.is_some_and(is_link_local) => {
            Err(SmsConfigError::LinkLocal { name })
        }
        ("https", true) => Ok(url),
        ("http", true) if is_loopback(&url) => Ok(url),
        ("http", true) => Err(SmsConfigError::Insecure { name }),
        _ => Err(malformed),
    }
}

fn headers(settings: &SmsSettings) -> Result<HeaderMap, SmsConfigError> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("flexsecure"));
    for (name, value) in &settings.headers {
        add(&mut headers, name, value)?;
    }
    for (name, path) in &settings.header_files {
        add(&mut headers, name, &secret_file(path)?)?;
    }
    let password =
        secret("password", settings.password.clone(), settings.password_file.as_deref())?;
    let token = secret("token", settings.token.clone(), settings.token_file.as_deref())?;
    let user = settings.user.as_deref().or(settings.account.as_deref());
    let authorization = match (password, token, user) {
        (None, None, _) if settings.user.is_none() => return Ok(headers),
        (Some(password), None, Some(user)) => {
            let pair = SecretString::from(format!("{user}:{}", password.expose_secret()));
            format!("Basic {}", STANDARD.encode(pair.expose_secret()))
        }
        (None, Some(token), _) => {
            let scheme = settings.token_scheme.as_deref().unwrap_or("Bearer");
            format!("{scheme} {}", token.expose_secret())
        }
        (None | Some(_), None | Some(_), _) => return Err(SmsConfigError::Authentication),
    };
    add(&mut headers, AUTHORIZATION.as_str(), &SecretString::from(authorization))?;
    Ok(headers)
}

fn add(headers: &mut HeaderMap, name: &str, value: &SecretString) -> Result<(), SmsConfigError> {
    let malformed = || SmsConfigError::Header { name: name.to_owned() };
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
    let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| malformed())?;
    value.set_sensitive(true);
    headers.insert(parsed, value);
    Ok(())
}

const ACCOUNT: &str = "{account}";
/// As long as there is no connection.
const PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_WITH_REQUEST: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    /// T50
    #[tokio::test]
    async fn a_name_leads_nowhere_that_is_left_out() {
        let url = Url::parse("http://localhost:9").unwrap();
        let resolver = Resolver { leaves_out: |address| address.is_loopback() };
        let client = client(&SmsSettings::default(), &url, None, resolver).unwrap();
        let error = client.get(url).send().await.unwrap_err();
        assert!(error.is_connect() && format!("{error:?}").contains("LinkLocal"), "{error:?}");
    }
}
