use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::AsyncSmtpConnection,
        commands::{Data, Ehlo, Mail, Noop, Quit, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};

use super::failure::{Failure, Stage};

/// A conversation with a relay that has got as far as taking mails.
///
/// The transport of the mail library does not tell how far a mail has come when it fails. This goes through the
/// steps one by one, so that it is known whether the text has gone out. Whatever fails, the connection is at its end:
/// a relay that has not seen the end of the text takes nothing (RFC 5321, section 4.1.1.4).
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    /// It takes commands before it has answered to those before them (RFC 2920).
    pipelines: bool,
}

impl Session {
    /// Asks what the mail library does not remember.
    pub(super) async fn begin(
        mut connection: AsyncSmtpConnection,
        hello: &ClientId,
    ) -> Result<Self, Failure> {
        let pipelines = match connection.command(Ehlo::new(hello.clone())).await {
            Ok(answer) => answer.message().any(|line| line.eq_ignore_ascii_case("PIPELINING")),
            // It does not want to hear it twice.
            Err(error) if error.status().is_some() => false,
            Err(error) => return Err(Failure::of(Stage::Connection, &error)),
        };
        Ok(Self { connection, pipelines })
    }

    pub(super) async fn authenticate(&mut self, credentials: &Credentials) -> Result<(), Failure> {
        let answer = self.connection.auth(DEFAULT_MECHANISMS, credentials).await;
        answer.map(drop).map_err(Failure::at(Stage::Password))
    }

    /// Sees whether the relay still answers, and takes leave of it.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        self.connection.command(Noop).await.map_err(Failure::at(Stage::Connection))?;
        // It is over in any case.
        let _answer = self.connection.command(Quit).await;
        Ok(())
    }

    /// Says whom the mail is from and to, until the relay waits for the text.
    pub(super) async fn announce(
        &mut self,
        envelope: &Envelope,
        mail: &str,
    ) -> Result<(), Failure> {
        let options = self.options(envelope, mail)?;
        let sender = Mail::new(envelope.from().cloned(), options);
        let mut commands = vec![(Stage::Sender, sender.to_string())];
        for to in envelope.to() {
            commands.push((Stage::Recipient, Rcpt::new(to.clone(), Vec::new()).to_string()));
        }
        commands.push((Stage::Data, Data.to_string()));
        let together = if self.pipelines { commands.len() } else { 1 };
        for group in commands.chunks(together) {
            let group_text: String = group.iter().map(|(_, command)| command.as_str()).collect();
            let mut answer = Some(self.connection.command(group_text).await);
            for (stage, _) in group {
                let answer = match answer.take() {
                    Some(first) => first,
                    None => self.connection.read_response().await,
                };
                let answer = answer.map_err(Failure::at(*stage))?;
                if *stage == Stage::Data && !answer.has_code(354) {
                    return Err(Failure::odd(Stage::Data));
                }
            }
        }
        Ok(())
    }

    /// In one piece: the relay acknowledges the beginning only after a while, and until then the end would not go out.
    pub(super) async fn text(&mut self, text: String) -> Result<(), Failure> {
        self.connection.command(text).await.map(drop).map_err(Failure::at(Stage::Text))
    }

    /// What a relay has to be able to for this mail (RFC 6152, RFC 6531).
    fn options(&self, envelope: &Envelope, mail: &str) -> Result<Vec<MailParameter>, Failure> {
        let mut options = Vec::new();
        let can = |extension| self.connection.server_info().supports_feature(extension);
        let is_foreign = |address: &Address| !AsRef::<str>::as_ref(address).is_ascii();
        if envelope.from().into_iter().chain(envelope.to()).any(is_foreign) {
            if !can(Extension::SmtpUtfEight) {
                return Err(Failure::incapable());
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        if !mail.is_ascii() {
            if !can(Extension::EightBitMime) {
                return Err(Failure::incapable());
            }
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(options)
    }
}

/// A mail as it goes over the line, with its end, and with no line of its own that could be taken for that
/// (RFC 5321, section 4.5.2). `None` if it holds half a line end: relays do not agree on what that is.
pub(super) fn text(mail: &str) -> Option<String> {
    let mut text = String::with_capacity(mail.len().saturating_add(16));
    for line in mail.strip_suffix("\r\n").unwrap_or(mail).split("\r\n") {
        if line.contains(['\r', '\n']) {
            return None;
        }
        if line.starts_with('.') {
            text.push('.');
        }
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str(".\r\n");
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::text;

    /// T34
    #[test]
    fn no_line_of_a_mail_is_its_end() {
        for (mail, expected) in [
            ("a: b\r\n\r\nc", "a: b\r\n\r\nc\r\n.\r\n"),
            ("c\r\n", "c\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("a\r\n.\r\nRCPT TO:<b>", "a\r\n..\r\nRCPT TO:<b>\r\n.\r\n"),
            ("a\r\n..b", "a\r\n...b\r\n.\r\n"),
        ] {
            assert_eq!(text(mail).as_deref(), Some(expected));
        }
        for half in ["a\n.\r\nb", "a\r.\r\nb", "a\r\n.\nb", "a\r\n.\rb", "a\r\r\n.\r\n", "a\n"] {
            assert_eq!(text(half), None, "{half:?}");
        }
    }
}
