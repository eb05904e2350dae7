use std::path::Path;

use flexsecure_core::page::{Builtin, Pages, PagesError};
use serde_json::{Value, json};

use super::{Notice, notice::NoticePage, reader::Context};
use crate::{
    api::{HomePage, InboxPage},
    approval::ApprovalPage,
    delivery,
};

/// What is in the binary, or what an operator's `folder` puts in its place.
pub(crate) fn load(folder: Option<&Path>) -> Result<Pages, PagesError> {
    let pages = Pages::load(&AUTHORITY, folder)?;
    delivery::check_drafts(&pages)?;
    Ok(pages)
}

pub(super) const AUTHORITY: Builtin = Builtin {
    templates: &[
        ("layout.html", include_str!("../../templates/layout.html")),
        ("approve.html", include_str!("../../templates/approve.html")),
        ("notice.html", include_str!("../../templates/notice.html")),
        ("inbox.html", include_str!("../../templates/inbox.html")),
        ("home.html", include_str!("../../templates/home.html")),
        ("email-pin.txt", include_str!("../../templates/email-pin.txt")),
        ("email-link.txt", include_str!("../../templates/email-link.txt")),
        ("email-alert.txt", include_str!("../../templates/email-alert.txt")),
        ("email-alert-subject.txt", include_str!("../../templates/email-alert-subject.txt")),
        ("sms-alert.txt", include_str!("../../templates/sms-alert.txt")),
        ("email-subject.txt", include_str!("../../templates/email-subject.txt")),
        ("sms-pin.txt", include_str!("../../templates/sms-pin.txt")),
        ("sms-link.txt", include_str!("../../templates/sms-link.txt")),
    ],
    texts: &[
        ("en", include_str!("../../templates/texts/en.json")),
        ("de", include_str!("../../templates/texts/de.json")),
    ],
    style: include_str!("../../templates/style.css"),
    samples,
};

fn samples() -> Vec<(&'static str, Value)> {
    let page = |page: Value| json!(Context { base: "/auth", page });
    let mut samples = Vec::new();
    for sample in ApprovalPage::samples() {
        samples.push(("approve.html", page(json!(sample))));
    }
    for notice in Notice::ALL {
        samples.push(("notice.html", page(json!(NoticePage { notice }))));
    }
    for inbox in [false, true] {
        samples.push(("home.html", page(json!(HomePage { inbox }))));
    }
    for sample in InboxPage::samples() {
        samples.push(("inbox.html", page(json!(sample))));
    }
    samples.extend(delivery::samples());
    samples
}
