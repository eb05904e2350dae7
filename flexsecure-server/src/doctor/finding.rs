use std::{error::Error, fmt};

/// What one check says.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at, such as `database`.
    pub subject: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// Why, and what to do about it. It holds no secret.
    pub detail: String,
}

/// How something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and somebody may regret it.
    Warning,
    /// It would not work.
    Failed,
}

impl Finding {
    /// It is as it should be.
    #[must_use]
    pub fn ok(subject: &'static str, detail: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Ok, detail: detail.into() }
    }

    /// It works, but `advice` is better followed.
    #[must_use]
    pub fn warning(subject: &'static str, detail: impl Into<String>, advice: &str) -> Self {
        let detail = format!("{}: {advice}", detail.into());
        Self { subject, verdict: Verdict::Warning, detail }
    }

    /// It does not work, because of `error` and what caused it.
    #[must_use]
    pub fn failed(subject: &'static str, error: &dyn Error, advice: &str) -> Self {
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            detail.push_str(": ");
            detail.push_str(&error.to_string());
            source = error.source();
        }
        Self::broken(subject, detail, advice)
    }

    pub(super) fn broken(subject: &'static str, detail: impl Into<String>, advice: &str) -> Self {
        let detail = format!("{}; {advice}", detail.into());
        Self { subject, verdict: Verdict::Failed, detail }
    }

    /// Who may read the file at `path`, which holds something secret.
    #[must_use]
    pub fn of_secret_file(subject: &'static str, path: &std::path::Path) -> Self {
        super::files::examine(subject, path)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
        };
        write!(f, "{verdict:<8} {:<12} {}", self.subject, self.detail)
    }
}
