use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Serialize;

/// How a person gets on from a page, which carries that along.
#[derive(Clone, Debug, Default)]
pub(crate) enum Way {
    /// A program repeats its request by itself.
    #[default]
    Nowhere,
    /// Back to a path of this site.
    Back(Box<str>),
    /// By a form that is sent again.
    Form(Box<Form>),
    /// By a form that the person has to fill in again.
    Lost(Lost),
}

/// A form that was refused. It holds what somebody has typed, and is not printed.
#[derive(Clone)]
pub(crate) struct Form {
    path: Box<str>,
    body: Option<Bytes>,
}

/// Why a form is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Lost {
    /// It is too large, or of a kind that can't be sent again, or nobody has read it.
    Form,
    /// Another site made it up: to send it again from here would pass it off as the user's own.
    OtherSite,
}

impl Way {
    /// By a form that was sent to `path`; its body is `None` where it has not been read.
    pub(crate) fn form(path: Box<str>, body: Option<Bytes>) -> Self {
        match body {
            Some(body) if !is_text(&body) => Self::Lost(Lost::Form),
            body => Self::Form(Box::new(Form { path, body })),
        }
    }

    /// What a page has carried to a flow endpoint, by the fields that [`Carried`] has put there.
    pub(crate) fn carried(path: Option<Box<str>>, form: Option<&str>) -> Self {
        match (path, form) {
            (Some(path), None) => Self::Back(path),
            (Some(path), Some(form)) => match URL_SAFE_NO_PAD.decode(form) {
                Ok(body) => Self::form(path, Some(body.into())),
                Err(_) => Self::Lost(Lost::Form),
            },
            (None, _) => Self::Nowhere,
        }
    }

    /// The path that a person comes back to.
    pub(crate) fn back(&self) -> Option<&str> {
        if let Self::Back(path) = self { Some(path) } else { None }
    }

    /// Whether there is a form that nobody has read.
    pub(crate) fn is_unread(&self) -> bool {
        matches!(self, Self::Form(form) if form.body.is_none())
    }

    /// The same with the body of its form, if it has one that is unread.
    pub(crate) fn with_body(self, body: Option<Bytes>) -> Self {
        match (self, body) {
            (Self::Form(form), Some(body)) if form.body.is_none() => {
                Self::form(form.path, Some(body))
            }
            (way, _) => way.or_lost(),
        }
    }

    /// The same, where a form that has not been read will not be.
    pub(crate) fn or_lost(self) -> Self {
        if self.is_unread() { Self::Lost(Lost::Form) } else { self }
    }

    /// What a page carries along.
    pub(crate) fn to_carry(&self) -> Carried<'_> {
        match self {
            Self::Nowhere => Carried::default(),
            Self::Back(path) => Carried::back(path),
            Self::Lost(lost) => Carried { lost: Some(*lost), ..Carried::default() },
            Self::Form(form) => match &form.body {
                Some(body) => Carried {
                    path: Some(&form.path),
                    form: Some(URL_SAFE_NO_PAD.encode(body)),
                    fields: form_urlencoded::parse(body).map(Field::of).collect(),
                    lost: None,
                },
                None => Carried { lost: Some(Lost::Form), ..Carried::default() },
            },
        }
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A [`Way`] as a page has it.
#[derive(Default, Serialize)]
pub(crate) struct Carried<'a> {
    path: Option<&'a str>,
    form: Option<String>,
    fields: Vec<Field<'a>>,
    lost: Option<Lost>,
}

impl<'a> Carried<'a> {
    pub(crate) fn back(path: &'a str) -> Self {
        Self { path: Some(path), ..Self::default() }
    }
}

/// A field of a form.
#[derive(Serialize)]
struct Field<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    /// Whether it is to be shown to nobody who looks over a shoulder.
    is_secret: bool,
}

impl<'a> Field<'a> {
    fn of((name, value): (Cow<'a, str>, Cow<'a, str>)) -> Self {
        let lower = name.to_lowercase();
        let is_secret = SECRETS.iter().any(|part| lower.contains(part));
        Self { name, value, is_secret }
    }
}

/// Whether a browser that reads it as UTF-8 would send the same again.
fn is_text(body: &[u8]) -> bool {
    percent_encoding::percent_decode(body).decode_utf8().is_ok()
}

/// What names of fields have in them whose values are nobody else's business, or of no interest.
const SECRETS: &[&str] = &["pass", "pwd", "secret", "token", "csrf", "pin", "cvv", "cvc", "code"];
