use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{Html, IntoResponse, Response},
};
use minijinja::{Environment, Value, context};
use secrecy::ExposeSecret;

use crate::{
    PublicUrl,
    delivery::{Channel, Content},
};

/// The templates. Those of pages escape HTML, those of messages are plain text: their names say which.
#[derive(Debug)]
pub(crate) struct Pages(Environment<'static>);

impl Pages {
    pub(crate) fn new(public_url: &PublicUrl) -> Result<Self, RenderError> {
        let mut environment = Environment::new();
        for (name, source) in TEMPLATES {
            environment.add_template(name, source)?;
        }
        environment.add_global("base", public_url.path());
        Ok(Self(environment))
    }

    pub(crate) fn html(&self, status: StatusCode, template: &str, context: Value) -> Response {
        match self.render(template, context) {
            Ok(page) => (status, Html(page)).into_response(),
            Err(error) => {
                tracing::error!(template, error = %error, "a page could not be rendered");
                let headers = [(CONTENT_TYPE, "text/html; charset=utf-8")];
                (StatusCode::INTERNAL_SERVER_ERROR, headers, BROKEN).into_response()
            }
        }
    }

    /// A page that only says something.
    pub(crate) fn notice(&self, status: StatusCode, title: &str, text: &str) -> Response {
        self.html(status, "notice.html", context! { title, text })
    }

    pub(crate) fn message(
        &self,
        channel: Channel,
        content: &Content,
        context: Value,
    ) -> Result<String, RenderError> {
        let (template, secret) = match (channel, content) {
            (Channel::Email, Content::Pin(pin)) => ("email-pin.txt", pin),
            (Channel::Email, Content::Link(link)) => ("email-link.txt", link),
            (Channel::Sms, Content::Pin(pin)) => ("sms-pin.txt", pin),
            (Channel::Sms, Content::Link(link)) => ("sms-link.txt", link),
        };
        self.render(template, context! { secret => secret.expose_secret(), ..context })
    }

    fn render(&self, template: &str, context: Value) -> Result<String, RenderError> {
        Ok(self.0.get_template(template)?.render(context)?)
    }
}

/// A template is broken. Those in the binary are not: a test renders each.
#[derive(Debug, thiserror::Error)]
#[error("a template could not be rendered")]
pub struct RenderError(#[from] minijinja::Error);

const BROKEN: &str = "<!doctype html><title>FlexSecure</title><p>Something went wrong.</p>";

const TEMPLATES: [(&str, &str); 9] = [
    ("layout.html", include_str!("../../templates/layout.html")),
    ("approve.html", include_str!("../../templates/approve.html")),
    ("notice.html", include_str!("../../templates/notice.html")),
    ("inbox.html", include_str!("../../templates/inbox.html")),
    ("home.html", include_str!("../../templates/home.html")),
    ("email-pin.txt", include_str!("../../templates/email-pin.txt")),
    ("email-link.txt", include_str!("../../templates/email-link.txt")),
    ("sms-pin.txt", include_str!("../../templates/sms-pin.txt")),
    ("sms-link.txt", include_str!("../../templates/sms-link.txt")),
];
