//! The flow endpoints: what a client does about a refusal.

use std::borrow::Cow;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::access::{STORE_RETRY, store_unavailable};
use super::client::{format, own_path, wait};
use super::engine::{Advanced, StepError};
use super::{Engine, Gate};
use crate::audit::Kind;
use crate::flow::{Flow, FlowId, Input};
use crate::page::{Language, SCRIPT};
use crate::pin::Pin;
use crate::refusal::{Answer, Details, Format, Problem, Shown, Way};
use crate::store::FlowRecord;
use crate::{Identity, RequestView};

/// The body of a request to a flow endpoint, as far as it was read.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a body is read, or it is not for one of two reasons")]
pub enum FlowBody {
    /// All of it.
    Complete(Bytes),
    /// It is larger than [`Gate::MAX_BODY`].
    TooLarge,
    /// It broke off.
    Broken,
}

/// A request to a flow endpoint, read: nothing of it is borrowed, so that a body can be awaited.
#[derive(Debug)]
pub struct FlowRequest {
    endpoint: Result<Endpoint, Details>,
    identity: Option<Identity>,
    format: Format,
    content_type: ContentType,
    wait: Duration,
    address: Option<IpAddr>,
}

/// What is asked of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    File(File),
    Flow(FlowId, Verb),
}

/// What the step-up page takes beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Style,
    Script,
    Logo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Show,
    /// The page once more, with what it carries.
    Page,
    Start,
    Pin,
    Cancel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentType {
    Json,
    Form,
    Other,
}

impl Gate {
    /// How many bytes of a body are read at a flow endpoint.
    ///
    /// A page that carries a form sends that along, in base64.
    pub const MAX_BODY: usize = 96 * 1024;

    /// Reads a request to a flow endpoint; `path` is what a router left of its path, with the gate's
    /// prefix or without.
    ///
    /// Where the client's own path begins with the gate's prefix, that decides instead.
    #[must_use]
    pub fn flow_request(
        &self,
        path: &str,
        request: &dyn RequestView,
        identity: Option<&Identity>,
    ) -> FlowRequest {
        let sent = request.path().split('?').next().unwrap_or_default();
        let behind_prefix = |path| {
            let rest = str::strip_prefix(path, self.prefix());
            rest.filter(|rest| rest.starts_with('/'))
        };
        let rest = behind_prefix(sent).or_else(|| behind_prefix(path)).unwrap_or(path);
        let endpoint = endpoint(request.method(), rest).and_then(|endpoint| match endpoint {
            Endpoint::Flow(_, Verb::Page | Verb::Start | Verb::Pin | Verb::Cancel)
                if self.0.trusted.is_foreign(request) =>
            {
                Err(Details::of(Problem::CrossSite))
            }
            Endpoint::Flow(..) | Endpoint::File(_) => Ok(endpoint),
        });
        FlowRequest {
            endpoint,
            identity: identity.cloned(),
            format: match format(request, &self.0.site) {
                Format::Html(language) => Format::Html(language),
                // The flow endpoints are no gRPC service.
                Format::Json | Format::Grpc => Format::Json,
            },
            content_type: content_type(request.header("content-type").unwrap_or_default()),
            wait: wait(request, LONGEST_WAIT),
            address: self.0.proxies.client(request),
        }
    }

    /// Answers a request to a flow endpoint.
    pub async fn answer(&self, request: FlowRequest, body: FlowBody) -> Answer {
        let (format, identity, address) =
            (request.format, request.identity.clone(), request.address);
        let changes = request.flow_to_change();
        let way = request.carried(&body);
        let answered = self.0.answer(request, body, &way).await;
        answered.unwrap_or_else(|details| {
            if let Some(flow) = changes {
                let event = self.0.event(Kind::Refused(details.problem())).of(identity.as_ref());
                self.0.audit.record(&event.on_flow(flow).at_address(address));
            }
            details.way(way).refuse(format, &self.0.site).into_answer()
        })
    }
}

impl FlowRequest {
    /// The flow that this would change, which may not be there, as far as it can be told. To show a
    /// flow changes nothing.
    fn flow_to_change(&self) -> Option<Option<FlowId>> {
        match &self.endpoint {
            Ok(Endpoint::Flow(id, Verb::Start | Verb::Pin | Verb::Cancel)) => Some(Some(*id)),
            Ok(Endpoint::Flow(_, Verb::Show | Verb::Page) | Endpoint::File(_)) => None,
            Err(details) => (details.problem() == Problem::CrossSite).then_some(None),
        }
    }

    /// What a page of ours has sent along: nothing that another site made up gets here.
    fn carried(&self, body: &FlowBody) -> Way {
        let (Ok(Endpoint::Flow(_, verb)), FlowBody::Complete(body)) = (&self.endpoint, body) else {
            return Way::Nowhere;
        };
        if *verb == Verb::Show || self.content_type != ContentType::Form {
            return Way::Nowhere;
        }
        let path = field(body, "back").and_then(|path| own_path(&path));
        Way::carried(path, field(body, "form").as_deref())
    }
}

impl Engine {
    async fn answer(
        self: &Arc<Self>,
        request: FlowRequest,
        body: FlowBody,
        way: &Way,
    ) -> Result<Answer, Details> {
        let (id, verb) = match request.endpoint.clone()? {
            Endpoint::File(file) => return self.file(file),
            Endpoint::Flow(id, verb) => (id, verb),
        };
        let record = self.find(request.identity.as_ref(), &id).await?;
        let shown = self.describe(&record);
        let done = self.act(verb, record, &request, body).await;
        let record = done.map_err(|details| details.shown(shown))?;
        Ok(match request.format {
            Format::Html(language) => self.answer_person(&record, verb, language, way),
            Format::Json | Format::Grpc => self.describe(&record).to_answer(),
        })
    }

    async fn act(
        self: &Arc<Self>,
        verb: Verb,
        record: FlowRecord,
        request: &FlowRequest,
        body: FlowBody,
    ) -> Result<FlowRecord, Details> {
        if matches!(body, FlowBody::TooLarge) {
            return Err(Details::of(Problem::BodyTooLarge));
        }
        match verb {
            Verb::Show => self.show(record, request.wait).await,
            Verb::Page => self.show(record, Duration::ZERO).await,
            Verb::Start => self.start_or_resend(record).await,
            Verb::Cancel => self.cancel(record).await,
            Verb::Pin => {
                if record.flow.is_over() {
                    return Err(self.over(&record));
                }
                let pin = read_pin(request.content_type, body).map_err(Details::of)?;
                let tried = self.try_pin(record, pin, request.address).await?;
                tried.map_err(|over| self.over(&over.0))
            }
        }
    }

    /// Back to where it was asked for, as soon as that can be; until then the page, which carries
    /// on what it has carried. One that carries nothing is at the flow's own address.
    fn answer_person(
        &self,
        record: &FlowRecord,
        verb: Verb,
        language: Language,
        way: &Way,
    ) -> Answer {
        let flow = self.describe(record);
        let own = record.binding.return_to.as_deref();
        let (back, is_at_home) = match way {
            Way::Nowhere => (own, true),
            Way::Back(path) => (Some(&**path), own == Some(path)),
            Way::Form(_) | Way::Lost(_) => (None, false),
        };
        let is_authenticated = matches!(record.flow, Flow::Authenticated(_));
        let location = match verb {
            Verb::Show | Verb::Page => back.filter(|_| is_authenticated),
            _ if is_at_home => Some(flow.url()),
            _ if is_authenticated => back,
            // Where it was asked for it would be asked for again.
            Verb::Cancel => None,
            Verb::Start | Verb::Pin => back,
        };
        if let Some(location) = location {
            return Answer::see_other(location.to_owned());
        }
        let is_repeatable = verb == Verb::Show;
        let shown = Shown { problem: None, flow: Some(&flow), way, is_repeatable };
        self.site.page(200, language, &shown)
    }

    fn file(&self, file: File) -> Result<Answer, Details> {
        let pages = &self.site.pages;
        Ok(match file {
            File::Style => Answer::file("text/css; charset=utf-8", pages.style().clone()),
            File::Script => Answer::file("text/javascript; charset=utf-8", SCRIPT),
            File::Logo => {
                let logo = pages.logo().ok_or_else(|| Details::of(Problem::FlowNotFound))?;
                Answer::file(logo.content_type, logo.bytes.clone())
            }
        })
    }

    /// A flow that another session opened does not exist, nor does one that another user did.
    async fn find(
        self: &Arc<Self>,
        identity: Option<&Identity>,
        id: &FlowId,
    ) -> Result<FlowRecord, Details> {
        let Some(identity) = identity else {
            return Err(Details::of(Problem::FlowNotFound));
        };
        let stored = self.store.flow(identity.session(), identity.auth_id(), id).await;
        let record =
            stored.map_err(store_unavailable)?.ok_or_else(|| Details::of(Problem::FlowNotFound))?;
        Ok(self.at_present(record).await)
    }

    /// Asks the authority if that is due; with a wait, until there is news.
    async fn show(
        self: &Arc<Self>,
        record: FlowRecord,
        wait: Duration,
    ) -> Result<FlowRecord, Details> {
        if record.flow.is_over() {
            return Ok(record);
        }
        if wait.is_zero() {
            return self.inquire(record).await;
        }
        let before = news_of(&record);
        // An attempt is counted before it is answered, and is no news until then.
        let is_old_news =
            move |record: &FlowRecord| record.flow.awaits_pin_check() || news_of(record) == before;
        self.wait_while(record, pin!(tokio::time::sleep(wait)), is_old_news).await
    }

    async fn start_or_resend(self: &Arc<Self>, record: FlowRecord) -> Result<FlowRecord, Details> {
        if record.flow.is_over() {
            return Err(self.over(&record));
        }
        if matches!(record.flow, Flow::Idle(_)) {
            self.begin(record).await?.map_err(|over| self.over(&over.0))
        } else {
            self.resend(record).await
        }
    }

    /// In a task of its own: a client that leaves does not make the end go untold.
    pub(super) async fn cancel(
        self: &Arc<Self>,
        record: FlowRecord,
    ) -> Result<FlowRecord, Details> {
        let engine = Arc::clone(self);
        let cancelled = async move { engine.advance(&record, &Input::Cancel).await };
        let Ok(cancelled) = tokio::spawn(cancelled).await else {
            return Err(Details::of(Problem::StoreUnavailable).retry_after(STORE_RETRY));
        };
        match cancelled {
            Ok(Advanced { record, .. }) => Ok(record),
            Err(StepError::Illegal(illegal)) => Err(self.over(&illegal.0)),
            Err(error) => Err(self.failed(error)),
        }
    }
}

/// What a client waits for: that a flow goes from started to polling is no news to it.
fn news_of(record: &FlowRecord) -> impl PartialEq + Send + use<> {
    let flow = &record.flow;
    let numbers = (flow.match_number(), flow.attempts_left());
    (flow.is_over(), flow.method(), numbers, flow.hindrance())
}

fn endpoint(method: &str, rest: &str) -> Result<Endpoint, Details> {
    let not_found = || Details::of(Problem::FlowNotFound);
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let file = match rest {
        "step-up.css" => Some(File::Style),
        "step-up.js" => Some(File::Script),
        "logo" => Some(File::Logo),
        _ => None,
    };
    if let Some(file) = file {
        return match method {
            "GET" | "HEAD" => Ok(Endpoint::File(file)),
            _ => Err(Details::of(Problem::MethodNotAllowed).allow("GET, HEAD")),
        };
    }
    let flow = rest.strip_prefix("flows/").ok_or_else(not_found)?;
    let (id, action) = flow.split_once('/').map_or((flow, None), |(id, action)| (id, Some(action)));
    if id.is_empty() {
        return Err(not_found());
    }
    let (verb, allow) = match (action, method) {
        (None, "GET" | "HEAD") => (Some(Verb::Show), ""),
        (None, "DELETE") => (Some(Verb::Cancel), ""),
        (None, "POST") => (Some(Verb::Page), ""),
        (None, _) => (None, "GET, HEAD, POST, DELETE"),
        (Some("start"), "POST") => (Some(Verb::Start), ""),
        (Some("pin"), "POST") => (Some(Verb::Pin), ""),
        // A form can't delete.
        (Some("cancel"), "POST") => (Some(Verb::Cancel), ""),
        (Some("start" | "pin" | "cancel"), _) => (None, "POST"),
        (Some(_), _) => return Err(not_found()),
    };
    let Some(verb) = verb else {
        return Err(Details::of(Problem::MethodNotAllowed).allow(allow));
    };
    let id = id.parse().map_err(|_| not_found())?;
    Ok(Endpoint::Flow(id, verb))
}

fn content_type(header: &str) -> ContentType {
    let kind = header.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        ContentType::Json
    } else if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        ContentType::Form
    } else {
        ContentType::Other
    }
}

fn field<'b>(form: &'b [u8], name: &str) -> Option<Cow<'b, str>> {
    form_urlencoded::parse(form).find(|(known, _)| known == name).map(|(_, value)| value)
}

fn read_pin(content_type: ContentType, body: FlowBody) -> Result<Pin, Problem> {
    let body = match body {
        FlowBody::Complete(body) => body,
        FlowBody::TooLarge => return Err(Problem::BodyTooLarge),
        FlowBody::Broken => return Err(Problem::BodyMalformed),
    };
    let typed = match content_type {
        ContentType::Json => match serde_json::from_slice(&body) {
            Ok(PinBody { pin: PinText::Text(text) }) => text,
            Ok(PinBody { pin: PinText::Number(number) }) => number.to_string(),
            Err(_) => return Err(Problem::BodyMalformed),
        },
        ContentType::Form => field(&body, "pin").ok_or(Problem::BodyMalformed)?.into_owned(),
        ContentType::Other => return Err(Problem::ContentTypeUnsupported),
    };
    Pin::parse(&typed).map_err(|_| Problem::PinMalformed)
}

/// `{"pin":"12345678"}`; the v1 API carries PINs as numbers, so one is understood too.
#[derive(Deserialize)]
struct PinBody {
    pin: PinText,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PinText {
    Text(String),
    Number(u64),
}

/// How long a client can wait for news of a flow.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
