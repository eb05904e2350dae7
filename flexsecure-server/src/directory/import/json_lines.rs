use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;

use super::{ImportError, LONGEST_LINE, Line, Lines};
use crate::directory::{
    Assignment, Contact, NewUser,
    word::{ChannelWord, MethodWord},
};

/// One JSON object a line, as `/v1/admin/users` shows a user.
pub(super) struct JsonLines<R> {
    source: BufReader<R>,
    number: u64,
    buffer: Vec<u8>,
}

impl<R: Read> JsonLines<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source: BufReader::new(source), number: 0, buffer: Vec::new() }
    }
}

impl<R: Read + Send> Lines for JsonLines<R> {
    fn next_line(&mut self) -> Result<Option<Line>, ImportError> {
        loop {
            self.buffer.clear();
            self.number = self.number.saturating_add(1);
            let limit = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
            let read = self.source.by_ref().take(limit).read_until(b'\n', &mut self.buffer);
            let read = read.map_err(ImportError::Read)?;
            if read == 0 {
                return Ok(None);
            }
            if read == LONGEST_LINE && !self.buffer.ends_with(b"\n") {
                return Err(ImportError::LineTooLong { line: self.number });
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(line(self.number, &self.buffer)));
            }
        }
    }
}

fn line(number: u64, text: &[u8]) -> Line {
    let mut json = serde_json::Deserializer::from_slice(text);
    let parsed: Result<Fields, _> = serde_path_to_error::deserialize(&mut json);
    let fields = match parsed.map_err(|error| why(&error)) {
        Ok(fields) if json.end().is_ok() => fields,
        Ok(_) => {
            return refused(number, text, "there is something after the JSON object".to_owned());
        }
        Err(why) => return refused(number, text, why),
    };
    let auth_id = Some(fields.authid.clone());
    Line { number, auth_id, user: fields.into_user() }
}

/// Without the values, which are somebody's addresses.
fn why(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let inner = error.inner();
    if inner.is_data() {
        // What serde says of a wrong type ends in what it found, and of a field it says the name.
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        format!("{place}a field is missing, unknown, given twice, or of the wrong type")
    } else {
        format!("it is not JSON, from column {} on", inner.column())
    }
}

fn refused(number: u64, text: &[u8], why: String) -> Line {
    #[derive(Deserialize)]
    struct Named {
        authid: String,
    }
    let auth_id = serde_json::from_slice(text).ok().map(|Named { authid }| authid);
    Line { number, auth_id, user: Err(why) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    authid: String,
    contacts: Option<Vec<ContactField>>,
    email: Option<OneOrMore>,
    sms: Option<OneOrMore>,
    #[serde(default)]
    locale: String,
    disabled: Option<bool>,
    assignments: Option<Vec<AssignmentField>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactField {
    channel: ChannelWord,
    address: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssignmentField {
    system: String,
    method: MethodWord,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Fields {
    fn into_user(self) -> Result<NewUser, String> {
        let mut user = NewUser::new(self.authid).locale(self.locale);
        user.disabled = self.disabled;
        if self.contacts.is_some() && (self.email.is_some() || self.sms.is_some()) {
            return Err(
                "it has contacts, and email or sms besides: give one or the other".to_owned()
            );
        }
        for ContactField { channel, address } in self.contacts.into_iter().flatten() {
            user.contacts.push(Contact { channel: channel.into(), address });
        }
        for address in self.email.into_iter().flat_map(OneOrMore::into_vec) {
            user = user.email(address);
        }
        for number in self.sms.into_iter().flat_map(OneOrMore::into_vec) {
            user = user.sms(number);
        }
        if let Some(assignments) = self.assignments {
            user = user.assignments(
                assignments.into_iter().map(|one| Assignment::new(one.system, one.method.into())),
            );
        }
        Ok(user)
    }
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}
