//! What people get to see: pages made of the very JSON that programs get.
//!
//! A reply names its template, and `identify` of each app, which knows who asks and what their browser
//! wants, has it filled here. So no handler knows of pages, and a page cannot say anything else
//! than the JSON does. Nothing here needs a script: `bank.js` finds in the page what it makes better.

#[cfg(test)]
mod tests;
mod wanted;
mod words;

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior, Value, context, value::Serde};

pub(crate) use self::wanted::is_wanted;

use crate::bank::{Overview, USERS};
use crate::reply::{ForPeople, Reply};

/// `GET /`: everything there is, for the owner of `account`, or for whoever wants to log in.
#[must_use]
pub(crate) fn home(account: Option<&Overview>, inbox: Option<&str>) -> Reply {
    let template = if account.is_some() { "home.html" } else { "login.html" };
    let user = account.map(|account| account.user.as_str());
    let data = context! { account => Serde(account), users => USERS };
    shown(Reply::empty(200), template, context! { user, inbox, data })
}

/// What a person, logged in as `user`, gets to see of `reply`.
#[must_use]
pub(crate) fn of(reply: Reply, user: Option<&str>, inbox: Option<&str>) -> Reply {
    match reply.for_people() {
        None => reply,
        Some(ForPeople::SeeOther(path)) => reply.replaced(303, "").with("location", path),
        Some(ForPeople::Page(template)) => {
            let data: Option<Value> = serde_json::from_slice(reply.body()).ok();
            shown(reply, template, context! { user, inbox, data })
        }
    }
}

/// `GET /bank.css`
#[must_use]
pub(crate) fn style() -> Reply {
    Reply::asset("text/css; charset=utf-8", include_str!("bank.css"))
}

/// `GET /bank.js`
#[must_use]
pub(crate) fn script() -> Reply {
    Reply::asset("text/javascript; charset=utf-8", include_str!("bank.js"))
}

/// `GET /bank.svg`
#[must_use]
pub(crate) fn icon() -> Reply {
    Reply::asset("image/svg+xml", include_str!("bank.svg"))
}

/// The same reply as a page.
fn shown(reply: Reply, template: &str, context: Value) -> Reply {
    // There is no room for a page where there is no content.
    let status = if reply.status() == 204 { 200 } else { reply.status() };
    let (status, page) = match render(template, context) {
        Ok(page) => (status, page),
        Err(error) => {
            tracing::error!(template, %error, "a page could not be rendered");
            (500, BROKEN.to_owned())
        }
    };
    reply
        .replaced(status, page)
        .with("content-type", "text/html; charset=utf-8")
        .with("vary", "Accept, Cookie, Sec-Fetch-Mode")
        .with("content-security-policy", CONTENT_SECURITY_POLICY)
        .with("x-content-type-options", "nosniff")
        .with("x-frame-options", "DENY")
        .with("referrer-policy", "same-origin")
}

fn render(template: &str, context: Value) -> Result<String, minijinja::Error> {
    PAGES.get_template(template)?.render(context)
}

/// Those in the binary are not broken: a test renders each.
static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut pages = Environment::new();
    pages.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    words::teach(&mut pages);
    for (name, source) in TEMPLATES {
        if let Err(error) = pages.add_template(name, source) {
            tracing::error!(name, %error, "a template is broken");
        }
    }
    pages
});

/// Their names say that what is filled in is escaped.
const TEMPLATES: [(&str, &str); 15] = [
    ("layout.html", include_str!("layout.html")),
    ("icons.html", include_str!("icons.html")),
    ("login.html", include_str!("login.html")),
    ("home.html", include_str!("home.html")),
    ("guide.html", include_str!("guide.html")),
    ("answer.html", include_str!("answer.html")),
    ("balance.html", include_str!("balance.html")),
    ("statements.html", include_str!("statements.html")),
    ("transfers.html", include_str!("transfers.html")),
    ("receipt.html", include_str!("receipt.html")),
    ("users.html", include_str!("users.html")),
    ("changed.html", include_str!("changed.html")),
    ("probe.html", include_str!("probe.html")),
    ("problem.html", include_str!("problem.html")),
    ("forgotten.html", include_str!("forgotten.html")),
];

const BROKEN: &str = "<!doctype html><html lang=\"en\"><title>Bank</title>\
    <p>This page cannot be shown. <a href=\"/\">Back to the bank</a></p></html>";

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
