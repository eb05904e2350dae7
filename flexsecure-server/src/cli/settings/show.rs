use std::{
    fmt::{self, Display},
    path::PathBuf,
};

use url::Url;

use super::{
    Secret,
    resolve::{Database, LogFormat, Settings},
    source::{Source, Sourced},
};

/// As a configuration file would say it, with where each value came from. Passwords are left out.
impl Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "listen", &quoted(self.listen.value), &self.listen.source)?;
        optional(f, "public_url", self.public_url.as_ref().map(text))?;
        let database = match &self.database.value {
            Database::File(file) => quoted(file.display()),
            Database::Postgres(url) => quoted(without_password(url)),
        };
        line(f, "database", &database, &self.database.source)?;
        let keys = self.server_key_file();
        let source = self.server_keys.as_ref().map_or(&Source::Default, |keys| &keys.source);
        line(f, "server_keys", &quoted(keys.display()), source)?;
        line(f, "inbox", &self.inbox.value.to_string(), &self.inbox.source)?;
        let pages = self.pages.as_ref();
        optional(f, "pages", pages.map(|pages| (quoted(pages.value.display()), &pages.source)))?;
        line(f, "log", &quoted(self.log.value), &self.log.source)?;
        let networks: Vec<_> = self.trusted_proxies.value.iter().map(quoted).collect();
        let networks = format!("[{}]", networks.join(", "));
        line(f, "trusted_proxies", &networks, &self.trusted_proxies.source)?;
        let count = self.max_connections.value.to_string();
        line(f, "max_connections", &count, &self.max_connections.source)?;
        match &self.tls {
            Some(tls) => {
                writeln!(f, "\n[tls]")?;
                let (certificate, key) = (&tls.certificate, &tls.key);
                line(f, "certificate", &quoted(certificate.value.display()), &certificate.source)?;
                line(f, "key", &quoted(key.value.display()), &key.source)?;
            }
            None => writeln!(f, "\n# no [tls]: plain HTTP, so a proxy has to end TLS")?,
        }
        match &self.metrics_listen {
            Some(listen) => {
                writeln!(f, "\n[metrics]")?;
                line(f, "listen", &quoted(listen.value), &listen.source)?;
            }
            None => writeln!(f, "\n# no [metrics]: they are off")?,
        }
        if self.mail.is_empty() {
            writeln!(f, "\n# no [[mail]]: no e-mail is sent")?;
        }
        for mail in &self.mail {
            writeln!(f, "\n[[mail]]")?;
            line(f, "url", &quoted(without_password(&mail.url.value)), &mail.url.source)?;
            line(f, "from", &quoted(&mail.from.value), &mail.from.source)?;
            for (name, value) in [
                ("name", mail.name.as_ref().map(text)),
                ("root_certificate_file", mail.root_certificate_file.as_ref().map(shown)),
            ] {
                if let Some((value, source)) = value {
                    line(f, name, &value, source)?;
                }
            }
            if let Some(starttls) = &mail.starttls {
                line(f, "starttls", &starttls.value.to_string(), &starttls.source)?;
            }
        }
        if self.sms.is_empty() {
            writeln!(f, "\n# no [[sms]]: no SMS is sent")?;
        }
        for sms in &self.sms {
            writeln!(f, "\n[[sms]]")?;
            // Its headers and its body may hold what is secret.
            let name = sms.value.name.as_ref().map_or("(the preset's)".to_owned(), quoted);
            line(f, "name", &name, &sms.source)?;
        }
        Ok(())
    }
}

impl Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

fn line(f: &mut fmt::Formatter<'_>, key: &str, value: &str, source: &Source) -> fmt::Result {
    let setting = format!("{key} = {value}");
    writeln!(f, "{setting:<48}  # {source}")
}

fn optional(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    value: Option<(String, &Source)>,
) -> fmt::Result {
    match value {
        Some((value, source)) => line(f, key, &value, source),
        None => writeln!(f, "# {key} is not set"),
    }
}

fn text<T: Display>(value: &Sourced<T>) -> (String, &Source) {
    (quoted(&value.value), &value.source)
}

fn shown(path: &Sourced<PathBuf>) -> (String, &Source) {
    (quoted(path.value.display()), &path.source)
}

fn quoted(value: impl Display) -> String {
    format!("{:?}", value.to_string())
}

/// Whatever is not understood could be a password, too.
fn without_password(url: &Secret) -> String {
    let Ok(mut url) = Url::parse(url.expose()) else { return "(hidden)".to_owned() };
    let has_password = url.password().is_some();
    if has_password && url.set_password(Some("hidden")).is_err() {
        return "(hidden)".to_owned();
    }
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}
