//! The step-up page: plain HTML that works without scripts.

use std::fmt::Write;

use super::{Answer, FlowObject, Problem};

/// The page that shows `flow`, and above it a problem and what to do about it.
pub(crate) fn flow_page(
    status: u16,
    problem: Option<(Problem, &str)>,
    flow: Option<&FlowObject>,
) -> Answer {
    let mut main = String::new();
    if let Some((_, detail)) = problem {
        paragraph(&mut main, "problem", detail);
    }
    if let Some(flow) = flow {
        show(&mut main, flow);
    }
    let waits = flow.is_some_and(|flow| flow.expires_in.is_some() && !flow.takes_pin);
    let refresh = if waits { "<meta http-equiv=\"refresh\" content=\"3\">" } else { "" };
    let style = flow.map_or_else(String::new, |flow| {
        let prefix = flow.url.split("/flows/").next().unwrap_or_default();
        format!("<link rel=\"stylesheet\" href=\"{}/step-up.css\">", Escaped(prefix))
    });
    let title = problem.map_or("Confirm that it is you", |(problem, _)| problem.title());
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         {refresh}{style}<title>{title}</title></head>\
         <body><main><h1>{title}</h1>{main}</main></body></html>"
    );
    Answer::new(status, "text/html; charset=utf-8", page)
        .with_header("content-security-policy", CONTENT_SECURITY_POLICY.to_owned())
        .with_header("x-frame-options", "DENY".to_owned())
        .with_header("referrer-policy", "no-referrer".to_owned())
        .with_header("x-content-type-options", "nosniff".to_owned())
}

fn show(main: &mut String, flow: &FlowObject) {
    match &flow.operation {
        Some(operation) => paragraph(main, "operation", operation),
        None => paragraph(main, "operation", &flow.system),
    }
    match (flow.state, flow.over) {
        ("idle", _) => start_form(main, flow, "Send me a message"),
        ("authenticated", _) => {
            paragraph(main, "done", "Thank you. You can repeat what you were doing.");
            if let Some(path) = &flow.return_to {
                let _ = write!(main, "<p><a href=\"{}\">Go on</a></p>", Escaped(path));
            }
        }
        (_, Some(over)) => paragraph(main, "over", ended(over)),
        _ => wait_for_user(main, flow),
    }
}

fn wait_for_user(main: &mut String, flow: &FlowObject) {
    if let Some(number) = &flow.match_number {
        paragraph(main, "hint", "Open the link that was sent to you and type this number there:");
        paragraph(main, "match", number);
    } else if flow.method == Some("passwordless") {
        paragraph(main, "hint", "Open the link that was sent to you and approve.");
    }
    if flow.takes_pin {
        let _ = write!(
            main,
            "<form method=\"post\" action=\"{}/pin\"><label>The 8-digit PIN that was sent to you \
             <input name=\"pin\" inputmode=\"numeric\" autocomplete=\"one-time-code\" \
             maxlength=\"24\" required autofocus></label><button>Confirm</button></form>",
            Escaped(&flow.url)
        );
    }
    if let Some(left) = flow.attempts_left {
        paragraph(main, "hint", &format!("Attempts left: {left}"));
    }
    start_form(main, flow, "Send it again");
}

fn start_form(main: &mut String, flow: &FlowObject, label: &str) {
    let url = Escaped(&flow.url);
    let _ = write!(
        main,
        "<form method=\"post\" action=\"{url}/start\"><button>{label}</button></form>"
    );
}

fn paragraph(main: &mut String, class: &str, text: &str) {
    // Writing to a string cannot fail, here and above.
    let _ = write!(main, "<p class=\"{class}\">{}</p>", Escaped(text));
}

fn ended(over: &str) -> &'static str {
    match over {
        "timeout" => "The time is over. Repeat what you were doing to get another message.",
        "attempts" => "Too many wrong PINs. Repeat what you were doing to get another one.",
        "declined" => "This was declined.",
        "cancelled" => "This was cancelled.",
        _ => "You cannot be authenticated for this. Ask whoever runs this system.",
    }
}

/// Text as it stands in HTML, in an element or a quoted attribute.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Served beside the flows, because the page's policy allows no inline style.
pub(crate) const STYLE_SHEET: &str = "\
:root{color-scheme:light dark;font:1.1rem/1.5 system-ui,sans-serif}\
body{margin:0;display:grid;min-height:100vh;place-items:center}\
main{max-width:26rem;padding:2rem}\
.operation{font-weight:600;font-size:1.2em}\
.problem,.over{border-inline-start:.25rem solid;padding-inline-start:1rem}\
.match{font-size:4rem;font-weight:700;letter-spacing:.1em;margin:0}\
label{display:block}\
input,button{font:inherit;padding:.6rem 1rem;margin-block:.5rem;width:100%;box-sizing:border-box}\
input{letter-spacing:.2em}\n";

const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";
