use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

use crate::authority::Origin;
use crate::body::BodyKind;
use crate::pin::{MalformedPin, Pin};
use crate::policy::Networks;
use crate::refusal::{Format, Lost, Site, Way};
use crate::{BodyReading, RequestView, Timestamp};

/// What the slow path needs to know of a request, read once and owned.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) format: Format,
    /// How a person gets on once they have proved who they are.
    pub(crate) way: Way,
    /// How long it may be kept until its user has answered; zero if it wants a refusal at once.
    pub(crate) hold: Duration,
    /// Nothing may be sent on behalf of this request: another site or a prefetch made it, or its
    /// user has to know first that it can't be repeated for them.
    pub(crate) is_silent: bool,
    pub(crate) pin: Option<Result<Pin, MalformedPin>>,
    pub(crate) origin: Origin,
}

impl Client {
    pub(crate) fn read(
        request: &dyn RequestView,
        site: &Site,
        trusted: &TrustedOrigins,
        proxies: &Networks,
    ) -> Self {
        let format = format(request, site);
        let is_foreign = trusted.is_foreign(request);
        let way = match format {
            Format::Html(_) => way(request, is_foreign),
            Format::Json | Format::Grpc => Way::Nowhere,
        };
        let is_lost = matches!(way, Way::Lost(_));
        Self {
            format,
            way,
            hold: wait(request, LONGEST_HOLD),
            is_silent: is_foreign || is_prefetch(request) || is_lost,
            // A PIN that another site made the browser send must not cost an attempt.
            pin: request.header("flexsecure-pin").filter(|_| !is_foreign).map(Pin::parse),
            origin: Origin {
                ip: proxies.client(request),
                user_agent: request
                    .header("user-agent")
                    .map(|agent| agent.chars().filter(|c| !c.is_control()).take(200).collect()),
            },
        }
    }
}

impl Client {
    /// The same where a handler has read the body: `form` is what it hands over of it.
    pub(crate) fn with_form(mut self, form: Option<Bytes>) -> Self {
        if self.way.is_unread() {
            self.way = self.way.with_body(form);
            self.is_silent |= matches!(self.way, Way::Lost(_));
        }
        self
    }
}

/// The sites, beside the app's own, whose pages may start flows and submit PINs.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedOrigins(pub(crate) Vec<Box<str>>);

impl TrustedOrigins {
    /// Whether a page of another origin made the browser send this.
    ///
    /// Browsers tell by `Sec-Fetch-Site` (W3C Fetch Metadata); older ones by `Origin`. A request
    /// with neither comes from no browser that would send cookies on another site's behalf.
    pub(crate) fn is_foreign(&self, request: &dyn RequestView) -> bool {
        let origin = request.header("origin");
        let is_trusted = || origin.is_some_and(|origin| self.0.iter().any(|own| **own == *origin));
        match request.header("sec-fetch-site") {
            Some("same-origin" | "none") => false,
            Some(_) => !is_trusted(),
            None => origin.is_some_and(|origin| !is_same_host(origin, request) && !is_trusted()),
        }
    }
}

fn is_same_host(origin: &str, request: &dyn RequestView) -> bool {
    let host = origin.split_once("://").map(|(_, host)| host);
    // HTTP/2 requests may carry an authority in place of a Host header; adapters pass it as one.
    host.is_some() && host == request.header("host")
}

fn is_prefetch(request: &dyn RequestView) -> bool {
    ["sec-purpose", "purpose", "x-moz"]
        .iter()
        .filter_map(|name| request.header(name))
        .any(|purpose| purpose.contains("prefetch") || purpose.contains("prerender"))
}

/// How a person gets on whose browser sent `request`.
fn way(request: &dyn RequestView, is_foreign: bool) -> Way {
    let path = own_path(request.path());
    match (request.method(), path) {
        ("GET" | "HEAD", Some(path)) => Way::Back(path),
        ("POST", _) if is_foreign => Way::Lost(Lost::OtherSite),
        ("POST", Some(path)) if is_form(request) => Way::form(path, request.body().cloned()),
        ("POST", _) => Way::Lost(Lost::Form),
        _ => Way::Nowhere,
    }
}

/// Whether the body is a form that a page can carry.
fn is_form(request: &dyn RequestView) -> bool {
    let length = request.header("content-length").and_then(|length| length.parse().ok());
    length.is_some_and(|length: usize| length <= BodyReading::MAX_BYTES)
        && BodyKind::of(request).is_ok_and(|kind| kind == Some(BodyKind::Form))
}

/// The form that the client understands best: a page only where it says so.
pub(crate) fn format(request: &dyn RequestView, site: &Site) -> Format {
    if request.header("content-type").is_some_and(is_grpc) {
        return Format::Grpc;
    }
    let accept = list(request, "accept");
    let navigates = request.header("sec-fetch-mode") == Some("navigate");
    if navigates || quality(&accept, "text/html") > quality(&accept, "application/json") {
        Format::Html(site.pages.language(&list(request, "accept-language")))
    } else {
        Format::Json
    }
}

/// Whatever the messages are encoded in: `application/grpc+proto` is one, and so is gRPC-Web.
fn is_grpc(content_type: &str) -> bool {
    let family = content_type.get(..GRPC.len());
    family.is_some_and(|family| family.eq_ignore_ascii_case(GRPC))
}

/// The quality that an `Accept` header gives to exactly `wanted`, in thousandths (RFC 9110, section
/// 12.5.1); wildcards count for nothing.
fn quality(accept: &str, wanted: &str) -> u16 {
    unquoted_split(accept, ',')
        .filter_map(|range| {
            let mut parts = unquoted_split(range, ';').map(str::trim);
            let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
            let quality = parts
                .find_map(|parameter| parameter.split_once('=').filter(|(name, _)| is_weight(name)))
                .map_or(Some(1.0), |(_, value)| value.parse::<f32>().ok())?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to what fits"
            )]
            is_wanted.then_some((quality.clamp(0.0, 1.0) * 1000.0) as u16)
        })
        .max()
        .unwrap_or(0)
}

fn is_weight(name: &str) -> bool {
    name.eq_ignore_ascii_case("q")
}

/// How long a client is willing to wait (RFC 7240, section 4.3), at most `longest`; of two such
/// preferences the first counts (section 2).
pub(crate) fn wait(request: &dyn RequestView, longest: Duration) -> Duration {
    let preferred = list(request, "prefer");
    unquoted_split(&preferred, ',')
        .filter_map(|preference| unquoted_split(preference, ';').next()?.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, seconds)| seconds.trim().trim_matches('"').parse().ok())
        .map_or(Duration::ZERO, |seconds| Duration::from_secs(seconds).min(longest))
}

/// The header `name` as one list, on however many lines it came (RFC 9110, section 5.3).
fn list<'r>(request: &'r dyn RequestView, name: &str) -> Cow<'r, str> {
    let Some(first) = request.header(name) else { return Cow::Borrowed("") };
    let mut lines = Vec::new();
    request.headers(&mut |known, line| {
        if known == name {
            lines.push(line.to_owned());
        }
    });
    if lines.len() > 1 { Cow::Owned(lines.join(",")) } else { Cow::Borrowed(first) }
}

/// The parts of `text` between separators that are in no quoted-string (RFC 9110, section 5.6.4).
fn unquoted_split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            '"' if !was_escaped => is_quoted = !is_quoted,
            '\\' if is_quoted => is_escaped = !was_escaped,
            _ => {}
        }
        c == separator && !is_quoted
    })
}

/// `path` if a browser that is sent there stays on this site.
pub(super) fn own_path(path: &str) -> Option<Box<str>> {
    let is_plain = path.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'\\');
    let is_path = path.starts_with('/') && !path.starts_with("//");
    (is_plain && is_path && path.len() <= LONGEST_PATH).then(|| path.into())
}

/// How long it is from `now` to `then`, for a `Retry-After`: at least a second.
pub(crate) fn until(then: Timestamp, now: Timestamp) -> Duration {
    then.since(now).max(Duration::from_secs(1))
}

const GRPC: &str = "application/grpc";

const LONGEST_PATH: usize = 2048;

/// How long a request can be held, at the most.
const LONGEST_HOLD: Duration = Duration::from_secs(60);
