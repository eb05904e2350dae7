//! Bodies that are read before a policy decides.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;

use crate::RequestView;
use crate::policy::Defect;

/// What a body is, by its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyKind {
    /// `application/json`, or a type that ends with `+json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

impl BodyKind {
    /// What the headers of `request` say that its body is, if they say anything.
    ///
    /// # Errors
    ///
    /// [`Defect`] if they say something else, more than one thing, or that it is compressed.
    pub fn of(request: &dyn RequestView) -> Result<Option<Self>, Defect> {
        let (mut types, mut kind, mut is_encoded) = (0_u8, None, false);
        request.headers(&mut |name, value| match name {
            "content-type" => {
                types = types.saturating_add(1);
                kind = Self::named(value);
            }
            "content-encoding" => {
                is_encoded |= !value.trim().eq_ignore_ascii_case("identity");
            }
            _ => {}
        });
        match (types, kind) {
            _ if is_encoded => {
                Err(Defect::unsupported("Send the body as it is, without a content encoding."))
            }
            (0, _) => Ok(None),
            (1, Some(kind)) => Ok(Some(kind)),
            _ => Err(Defect::unsupported(EXPECTED)),
        }
    }

    fn named(content_type: &str) -> Option<Self> {
        let mut parts = content_type.split(';').map(str::trim);
        let essence = parts.next()?.to_ascii_lowercase();
        // Handlers read both as UTF-8, whatever is said.
        let is_utf8 = |parameter: &str| match parameter.split_once('=') {
            Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => {
                charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        };
        if !parts.all(is_utf8) {
            return None;
        }
        let json = essence.strip_prefix("application/");
        let json = json.filter(|subtype| *subtype == "json" || subtype.ends_with("+json"));
        match json {
            Some(_) => Some(Self::Json),
            None => (essence == "application/x-www-form-urlencoded").then_some(Self::Form),
        }
    }
}

/// A request whose body has been read.
#[derive(Clone, Copy)]
pub struct WithBody<'a> {
    request: &'a dyn RequestView,
    body: &'a Bytes,
}

impl<'a> WithBody<'a> {
    /// `request`, and the whole of its `body`.
    #[must_use]
    pub fn new(request: &'a dyn RequestView, body: &'a Bytes) -> Self {
        Self { request, body }
    }
}

impl RequestView for WithBody<'_> {
    fn method(&self) -> &str {
        self.request.method()
    }

    fn path(&self) -> &str {
        self.request.path()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.request.headers(show);
    }

    fn matched_route(&self) -> Option<Cow<'_, str>> {
        self.request.matched_route()
    }

    fn path_parameters(&self, show: &mut dyn FnMut(&str, &str)) {
        self.request.path_parameters(show);
    }

    fn body(&self) -> Option<&Bytes> {
        Some(self.body)
    }

    fn peer(&self) -> Option<IpAddr> {
        self.request.peer()
    }
}

impl fmt::Debug for WithBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithBody").field("length", &self.body.len()).finish_non_exhaustive()
    }
}

const EXPECTED: &str = "Send application/json or application/x-www-form-urlencoded, in UTF-8.";
