use std::path::Path;
use std::sync::OnceLock;

use super::{Builtin, Pages, PagesError};
use crate::refusal::samples;

/// The step-up page, or what `folder` puts in its place.
pub(crate) fn step_up(folder: Option<&Path>) -> Result<Pages, PagesError> {
    static AS_IT_CAME: OnceLock<Pages> = OnceLock::new();
    match (folder, AS_IT_CAME.get()) {
        (None, Some(pages)) => Ok(pages.clone()),
        (None, None) => {
            let pages = Pages::load(&STEP_UP, None)?;
            Ok(AS_IT_CAME.get_or_init(|| pages).clone())
        }
        (Some(_), _) => Pages::load(&STEP_UP, folder),
    }
}

/// [`refusal`](crate::refusal) fills it in.
pub(super) const STEP_UP: Builtin = Builtin {
    templates: &[("step-up.html", include_str!("step-up.html"))],
    texts: &[("en", include_str!("texts/en.json")), ("de", include_str!("texts/de.json"))],
    style: include_str!("step-up.css"),
    samples,
};

/// What makes the page nicer where scripts run, and the `fetch` of an app ask for a proof.
pub(crate) const SCRIPT: &str = include_str!("step-up.js");
