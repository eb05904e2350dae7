//! Where the user is asked, and told what is waited for.

use std::convert::Infallible;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use flexsecure_core::client::{Challenge, Prompt};
use flexsecure_core::{MalformedPin, Pin};
use tokio::sync::watch;

pub(super) struct Terminal {
    waits: bool,
    /// What is waited for; nothing while a PIN is typed.
    awaited: watch::Sender<Option<Challenge>>,
    absence: OnceLock<Absence>,
}

/// Why there was nobody to ask.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum Absence {
    #[error("this takes a PIN, which is asked for at a terminal only")]
    NoTerminal,
    #[error("this takes an approval, and --no-wait says not to wait for one")]
    NoWait,
}

impl Terminal {
    pub(super) fn new(waits: bool) -> Self {
        Self { waits, awaited: watch::Sender::default(), absence: OnceLock::new() }
    }

    pub(super) fn absence(&self) -> Option<Absence> {
        self.absence.get().copied()
    }

    fn give_up<T>(&self, absence: Absence, answer: T) -> T {
        self.absence.get_or_init(|| absence);
        answer
    }

    /// Keeps the line up to date, second by second; where it can't be drawn anew, says it once.
    pub(super) async fn draw(&self) -> Infallible {
        let mut news = self.awaited.subscribe();
        let mut said = String::new();
        loop {
            let awaited = news.borrow_and_update().clone();
            if let Some(challenge) = awaited {
                let line = line(&challenge);
                let left =
                    challenge.expires_in().map(|left| format!(" ({} s left)", left.as_secs()));
                let left = left.unwrap_or_default();
                if io::stderr().is_terminal() {
                    say(&format!("{CLEAR}{line}{left}"));
                } else if line != said {
                    say(&format!("{line}{left}\n"));
                    said = line;
                }
            }
            // Without news, a second has gone by.
            let _ = tokio::time::timeout(Duration::from_secs(1), news.changed()).await;
        }
    }

    /// Takes away the line that was drawn.
    pub(super) fn clear(&self) {
        if self.awaited.send_replace(None).is_some() && io::stderr().is_terminal() {
            say(CLEAR);
        }
    }
}

#[async_trait]
impl Prompt for Terminal {
    async fn pin(&self, challenge: &Challenge) -> Option<Pin> {
        self.clear();
        if !io::stdin().is_terminal() {
            return self.give_up(Absence::NoTerminal, None);
        }
        if challenge.pin_was_rejected() {
            say("That is not the PIN that was sent.\n");
        }
        let attempts = challenge.attempts_left().map(|left| format!(" ({left} attempts left)"));
        let question = format!("{}: PIN{}: ", subject(challenge), attempts.unwrap_or_default());
        loop {
            let question = question.clone();
            let typed = tokio::task::spawn_blocking(|| rpassword::prompt_password(question)).await;
            let Ok(Ok(typed)) = typed else {
                return self.give_up(Absence::NoTerminal, None);
            };
            match Pin::parse(&typed) {
                Ok(pin) => return Some(pin),
                Err(MalformedPin) if typed.trim().is_empty() => return None,
                Err(malformed) => say(&format!("{malformed}; leave it empty to give up\n")),
            }
        }
    }

    fn waiting(&self, challenge: &Challenge) -> ControlFlow<()> {
        if !self.waits {
            return self.give_up(Absence::NoWait, ControlFlow::Break(()));
        }
        self.awaited.send_replace(Some(challenge.clone()));
        ControlFlow::Continue(())
    }
}

fn line(challenge: &Challenge) -> String {
    let subject = subject(challenge);
    match challenge.match_number() {
        Some(number) => format!("{subject}: open the link that was sent to you and enter {number}"),
        None => format!("{subject}: waiting for your answer to the message that was sent to you"),
    }
}

fn subject(challenge: &Challenge) -> &str {
    challenge.operation().unwrap_or(challenge.system())
}

fn say(text: &str) {
    // Whoever closed it does not want to know.
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Back to the beginning of the line, which is emptied.
const CLEAR: &str = "\r\x1b[2K";
