//! `GET /`: plain forms and links to click through everything.

use crate::bank::USERS;
use crate::reply::Reply;

/// The page for `user`, or for whoever wants to become one.
#[must_use]
pub(crate) fn home(user: Option<&str>, inbox: Option<&str>) -> Reply {
    let main = user.map_or_else(login, logged_in);
    let inbox = inbox.map_or_else(String::new, |url| {
        format!(
            "<p>PINs and links arrive in the <a href=\"{url}\" target=\"_blank\">inbox</a>.</p>"
        )
    });
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>Bank</title></head>\
         <body><main><h1>Bank</h1>{inbox}{main}</main></body></html>"
    );
    Reply::content(200, "text/html; charset=utf-8", page)
        .with("content-security-policy", CONTENT_SECURITY_POLICY)
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "same-origin")
}

fn login() -> String {
    let button =
        |user| format!("<button name=\"user\" value=\"{user}\">Log in as {user}</button> ");
    let buttons: String = USERS.map(button).concat();
    format!("<form method=\"post\" action=\"/login\">{buttons}</form>{WHO}")
}

/// Only names of the demo users get here, which need no escaping.
fn logged_in(user: &str) -> String {
    format!("<p>You are <strong>{user}</strong>.</p>{WHO}{ROUTES}")
}

const WHO: &str = "<p>alice confirms by PIN, bob by link (by PIN at the administration), and carol \
     exists but may confirm nothing.</p>";

const ROUTES: &str = "\
    <h2>Takes a login</h2><ul>\
    <li><a href=\"/balance\">Balance</a></li>\
    <li><a href=\"/transfers\">Transfers made</a></li>\
    <li><a href=\"/probe?path=/statements\">Would statements take a proof now?</a></li></ul>\
    <h2>Takes a proof of the last five minutes</h2><ul>\
    <li><a href=\"/statements\">Statements</a></li></ul>\
    <h2>Takes what the amount says</h2>\
    <form method=\"post\" action=\"/transfers\">\
    <label>To <input name=\"to\" value=\"bob\" required></label> \
    <label>EUR <input name=\"amount\" value=\"250\" inputmode=\"decimal\" required></label> \
    <button>Transfer</button></form>\
    <p>Below 100: nothing. From 100: a proof for this one transfer. Above 10,000: denied.</p>\
    <h2>Takes a PIN of the last minute</h2><ul>\
    <li><a href=\"/admin/users\">All users</a></li></ul>\
    <form method=\"post\" action=\"/admin/freeze\">\
    <label>User <input name=\"user\" value=\"carol\" required></label> \
    <button>Freeze</button></form>\
    <h2>Ends it</h2>\
    <form method=\"post\" action=\"/logout\"><button>Log out</button> (then reload this page)</form>";

const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
