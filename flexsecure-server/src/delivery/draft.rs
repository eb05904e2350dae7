use flexsecure_core::page::{Language, Pages, TemplateError};
use minijinja::{Error, ErrorKind};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Channel, Content, Message};
use crate::directory::{breaks_line, is_invisible};

/// What a message is to say, and in which language. Everything in its text comes from here and from the templates.
#[derive(Clone)]
pub(crate) struct Draft<'a> {
    pub(crate) system: &'a str,
    /// Empty where there is none.
    pub(crate) operation: &'a str,
    /// How long it is valid.
    pub(crate) minutes: u64,
    /// The PIN or the link, and so the method.
    pub(crate) content: Content,
    pub(crate) channel: Channel,
    pub(crate) language: Language,
    /// The host of the public URL, without scheme and port.
    pub(crate) host: &'a str,
}

/// Whom a message goes to.
#[derive(Clone)]
pub(crate) struct Addressee {
    /// An e-mail address or a number of E.164.
    pub(crate) to: String,
    /// See [`Message::reference`].
    pub(crate) reference: String,
}

/// What a template of a message is filled in with.
#[derive(Serialize)]
struct Context<'a> {
    system: &'a str,
    operation: &'a str,
    minutes: u64,
    secret: &'a str,
}

/// No text of anybody's gets into a header.
#[derive(Serialize)]
struct Nothing {}

impl Draft<'_> {
    pub(crate) fn write(
        self,
        pages: &Pages,
        addressee: Addressee,
    ) -> Result<Message, TemplateError> {
        let system = one_line(self.system, LONGEST_SYSTEM);
        let context = Context {
            system: &system,
            operation: &one_line(self.operation, LONGEST_OPERATION),
            minutes: self.minutes,
            secret: self.content.secret(),
        };
        let template = template(self.channel, &self.content);
        let mut text = pages.render(template, self.language, &context)?;
        text.truncate(text.trim_end().len());
        if let (Channel::Sms, Content::Pin(pin)) = (self.channel, &self.content) {
            // Not left to a template: whoever replaces one must not lose it.
            text.push_str(&bound_line(self.host, pin.expose_secret()));
        }
        let subject = subject_template(&self.content);
        let subject = pages.render(subject, self.language, &Nothing {})?;
        let Addressee { to, reference } = addressee;
        Ok(Message {
            reference,
            to,
            channel: self.channel,
            language: pages.tag(self.language).to_owned(),
            subject: one_line(&subject, LONGEST_SUBJECT),
            text: SecretString::from(text),
            system,
            content: self.content,
        })
    }
}

/// The templates of messages, with what each can be filled in with.
pub(crate) fn samples() -> Vec<(&'static str, Value)> {
    let sample = |template: &'static str, operation, minutes| {
        let context = Context { system: "bank", operation, minutes, secret: "s" };
        (template, json!(context))
    };
    let both = |template| [sample(template, "", 1), sample(template, "Transfer", 5)];
    let texts = [EMAIL_PIN, EMAIL_LINK, EMAIL_ALERT, SMS_PIN, SMS_LINK, SMS_ALERT];
    let subjects = [SUBJECT, ALERT_SUBJECT].map(|template| (template, json!({})));
    texts.into_iter().flat_map(both).chain(subjects).collect()
}

/// Whether each message says in each language what it must: a template that an operator replaces may lack it.
///
/// A link may do without the operation, for the page behind it shows that.
pub(crate) fn check(pages: &Pages) -> Result<(), TemplateError> {
    let (system, operation) = ("system-name", "operation-text");
    let (pin, link) = ("73920518", "https://auth.example.com/a/token");
    let names_of_link = [(system, "{{ system }}")];
    let names_of_pin = [(system, "{{ system }}"), (operation, "{{ operation }}")];
    let lacks = |template: &str, language, lacking: &str| {
        let tag = pages.tag(language);
        let detail = format!("{template} must have {lacking}, and lacks it in the language {tag}");
        Error::new(ErrorKind::InvalidOperation, detail)
    };
    for language in pages.languages() {
        for channel in [Channel::Email, Channel::Sms] {
            for (secret, content, names) in [
                (pin, Content::Pin(SecretString::from(pin)), &names_of_pin[..]),
                (link, Content::Link(SecretString::from(link)), &names_of_link),
                ("", Content::Alert, &names_of_link),
            ] {
                let (template, subject) = (template(channel, &content), subject_template(&content));
                let host = "auth.example.com";
                let draft =
                    Draft { system, operation, minutes: 5, content, channel, language, host };
                let addressee = Addressee { to: String::new(), reference: String::new() };
                let message = draft.write(pages, addressee)?;
                // What is in the last line is not said to a person.
                let text = message.text().split("\n\n@").next().unwrap_or_default();
                let mut must = names.iter().copied().chain([(secret, "{{ secret }}")]);
                if let Some((_, lacking)) = must.find(|(value, _)| !text.contains(value)) {
                    return Err(lacks(template, language, lacking).into());
                }
                if message.subject().is_empty() {
                    return Err(lacks(subject, language, "a text").into());
                }
            }
        }
    }
    Ok(())
}

const fn template(channel: Channel, content: &Content) -> &'static str {
    match (channel, content) {
        (Channel::Email, Content::Pin(_)) => EMAIL_PIN,
        (Channel::Email, Content::Link(_)) => EMAIL_LINK,
        (Channel::Sms, Content::Pin(_)) => SMS_PIN,
        (Channel::Sms, Content::Link(_)) => SMS_LINK,
        (Channel::Email, Content::Alert) => EMAIL_ALERT,
        (Channel::Sms, Content::Alert) => SMS_ALERT,
    }
}

const fn subject_template(content: &Content) -> &'static str {
    match content {
        Content::Pin(_) | Content::Link(_) => SUBJECT,
        Content::Alert => ALERT_SUBJECT,
    }
}

/// The last line of an origin-bound one-time code (WICG, "Origin-bound one-time codes delivered via SMS"): a browser
/// offers the PIN on pages of this host only.
fn bound_line(host: &str, pin: &str) -> String {
    format!("\n\n@{host} #{pin}")
}

/// Text of somebody else's, so that it can neither begin a line of its own, nor turn around or hide what is read, nor
/// push the rest out of sight. The API lets none of it in; this holds for what is in the database already, too.
fn one_line(text: &str, longest: usize) -> String {
    let visible = text.chars().filter(|c| !is_invisible(*c));
    let spaced: String = visible.map(|c| if breaks_line(c) { ' ' } else { c }).collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= longest {
        return line;
    }
    line.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

const EMAIL_PIN: &str = "email-pin.txt";
const EMAIL_LINK: &str = "email-link.txt";
const SUBJECT: &str = "email-subject.txt";
const EMAIL_ALERT: &str = "email-alert.txt";
const ALERT_SUBJECT: &str = "email-alert-subject.txt";
const SMS_ALERT: &str = "sms-alert.txt";
const SMS_PIN: &str = "sms-pin.txt";
const SMS_LINK: &str = "sms-link.txt";

/// In characters, as the API has them.
const LONGEST_SYSTEM: usize = 64;
const LONGEST_OPERATION: usize = 256;
const LONGEST_SUBJECT: usize = 120;
