//! Other ways to write a path, and other methods to ask with.

/// Whatever leads to a handler in one framework and past a rule in another (T10, T11, T15).
#[must_use]
pub fn spellings(paths: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for path in paths {
        for form in forms(path) {
            all.extend(["", "/", "?x=/open"].map(|end| format!("{form}{end}")));
        }
        all.extend(ENDS.iter().map(|end| format!("{path}{end}")));
    }
    all.sort();
    all.dedup();
    all
}

/// Methods that HTTP knows, and one that is only spelled like one, and one that nobody knows.
pub const METHODS: [&str; 12] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "M-SEARCH!",
];

fn forms(path: &str) -> Vec<String> {
    let rest = path.trim_start_matches('/');
    let first = rest.chars().next().unwrap_or_default();
    let encoded = format!("%{:02x}", u32::from(first));
    let all_encoded: String = rest
        .chars()
        .map(|c| if c == '/' { c.to_string() } else { format!("%{:02X}", u32::from(c)) })
        .collect();
    let mut forms: Vec<String> = PREFIXES.iter().map(|prefix| format!("{prefix}{rest}")).collect();
    forms.extend([
        format!("/{encoded}{}", &rest[first.len_utf8()..]),
        format!("/%25{}{}", &encoded[1..], &rest[first.len_utf8()..]),
        format!("/{all_encoded}"),
        format!("/{}", rest.to_uppercase()),
        format!("/{}{}", first.to_uppercase(), &rest[first.len_utf8()..]),
        format!("/{}", rest.replace('e', "%C3%A9")),
    ]);
    // Within the path, where it has more than one segment, and behind it.
    forms.extend(SEPARATORS.iter().map(|other| format!("/{}", rest.replacen('/', other, 1))));
    forms
}

const PREFIXES: [&str; 22] = [
    "",
    "/",
    "//",
    "///",
    "/./",
    "/../",
    "/x/../",
    "/open/../",
    "/step-up/../",
    "/step-up/%2e%2e/",
    "/%2e/",
    "/%2e%2e/",
    "/%2f",
    "/%5c",
    "/\\",
    "/;/",
    "/%20",
    "/%00",
    "http://bank.example/",
    "http://evil.example//",
    "ws://evil.example/",
    "/http://bank.example/",
];

const SEPARATORS: [&str; 14] = [
    "//",
    "%2f",
    "%252f",
    "\\",
    "%5c",
    "/./",
    "/x/../",
    ";x=y/",
    "/;/",
    "%00/",
    "%20/",
    "%c0%af",
    "/%2e/",
    "%ef%bc%8f",
];

const ENDS: [&str; 30] = [
    "//",
    "?",
    "??",
    "?/open",
    "?x=/step-up/",
    "?_method=GET",
    "?%2f..",
    "#",
    "#/open",
    ";",
    ";/open",
    ";jsessionid=1",
    "%2f",
    "%2F%2F",
    "/.",
    "/..",
    "/../open",
    "%3fx",
    "%23x",
    "%00",
    "%20",
    "%09",
    "%0d%0a",
    ".json",
    ".",
    "/index.html",
    "~",
    "*",
    "&x=y",
    "/%2e%2e/open",
];
