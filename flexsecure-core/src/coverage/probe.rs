//! What an app is asked.

use std::collections::HashSet;
use std::fmt;

/// One request to the app.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Probe {
    /// The method.
    pub method: String,
    /// Path and query; not every framework can be sent each of them.
    pub path: String,
    /// Whether it comes from somebody logged in.
    pub is_logged_in: bool,
    /// What it is to the route.
    pub shape: Shape,
    /// The route that was listed, like `GET /statements`; empty if it belongs to none.
    pub route: String,
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// What a request is to the route it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// The route itself.
    Route,
    /// The same path by another method.
    Method,
    /// Another way to write the same path.
    Spelling,
    /// A path beside it, above it or below it.
    Neighbour,
}

/// What to ask of an app with these `routes`, each like `GET /statements`.
///
/// # Panics
///
/// If a route is not a method and a path.
#[must_use]
#[track_caller]
pub fn probes(routes: &[&str]) -> Vec<Probe> {
    let mut all = Vec::new();
    for route in routes {
        let named = route.split_once(' ').filter(|(_, path)| path.starts_with('/'));
        assert!(named.is_some(), "{route:?} is no route: name one like \"GET /statements\"");
        let Some((method, path)) = named else { continue };
        let probe = |method: &str, path: String, shape| Probe {
            method: method.to_owned(),
            path,
            is_logged_in: true,
            shape,
            route: (*route).to_owned(),
        };
        let itself = probe(method, path.to_owned(), Shape::Route);
        all.push(Probe { is_logged_in: false, ..itself.clone() });
        all.push(itself);
        let others = METHODS.iter().filter(|other| **other != method);
        all.extend(others.map(|other| probe(other, path.to_owned(), Shape::Method)));
        let (spelled, beside) = (spellings(path), neighbours(path));
        all.extend(spelled.into_iter().map(|path| probe(method, path, Shape::Spelling)));
        all.extend(beside.into_iter().map(|path| probe(method, path, Shape::Neighbour)));
    }
    for method in ["GET", "POST"] {
        all.push(Probe {
            method: method.to_owned(),
            path: UNKNOWN.to_owned(),
            is_logged_in: true,
            shape: Shape::Neighbour,
            route: String::new(),
        });
    }
    all
}

/// Ways in which clients, proxies and routers have been known to write `path`.
fn spellings(path: &str) -> Vec<String> {
    let (path, query) = path.split_once('?').map_or((path, ""), |(path, query)| (path, query));
    let rest = path.strip_prefix('/').unwrap_or(path);
    let (first, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut paths: Vec<String> = ["//", "///", "/./", "/x/../", "/.//", "/%2e/", "/%2f", "/\\"]
        .iter()
        .map(|start| format!("{start}{rest}"))
        .collect();
    for end in ["/", "//", "/.", "/..", "/%2e", "%2f", "%20", "%00", ";", ";x=y", ".json", "\\"] {
        paths.push(format!("{path}{end}"));
    }
    for slash in ["//", "/./", "/x/../", "%2f", "%2F", "%5c", "\\"] {
        paths.push(format!("/{first}{}", tail.replace('/', slash)));
    }
    paths.extend(each_encoded(path));
    paths.push(encode(path, |byte| byte != b'/', "%"));
    paths.push(encode(path, |byte| byte != b'/', "%25"));
    paths.push(path.to_uppercase());
    paths.push(path.to_lowercase());
    paths.push(capitalised(path));
    paths.push(format!("/{first};x=y{tail}"));
    paths.push(format!("/{first}%00{tail}"));
    paths.push(format!("http://coverage.invalid{path}"));
    let with_query = |path: &String| match query {
        "" => path.clone(),
        query => format!("{path}?{query}"),
    };
    let mut all: Vec<String> = paths.iter().map(with_query).collect();
    for query in ["?x=/health", "?/health", "?", "%3fx"] {
        all.push(format!("{path}{query}"));
    }
    distinct(all, path)
}

/// Paths that a route should not have brought into the world.
fn neighbours(path: &str) -> Vec<String> {
    let path = path.split('?').next().unwrap_or_default();
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut all = vec![format!("{path}/zzz"), format!("{path}/zzz/zzz"), format!("{path}x")];
    let mut above = path;
    while let Some((parent, _)) = above.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) {
        all.extend([parent.to_owned(), format!("{parent}/"), format!("{parent}/zzz")]);
        all.push(format!("{parent}x"));
        above = parent;
    }
    distinct(all, path)
}

fn distinct(mut paths: Vec<String>, but: &str) -> Vec<String> {
    let mut seen = HashSet::from([but.to_owned()]);
    paths.retain(|path| seen.insert(path.clone()));
    paths
}

/// With one byte encoded, the first or the last of a segment.
fn each_encoded(path: &str) -> Vec<String> {
    let bytes = path.as_bytes();
    let is_end = |at: usize| {
        let is_slash =
            |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_none_or(|byte| *byte == b'/');
        is_slash(at.checked_sub(1)) || is_slash(at.checked_add(1))
    };
    let ends = bytes.iter().enumerate().filter(|(at, byte)| is_end(*at) && **byte != b'/');
    ends.map(|(at, byte)| {
        let (before, after) = (path.get(..at), at.checked_add(1).and_then(|next| path.get(next..)));
        format!("{}%{byte:02x}{}", before.unwrap_or_default(), after.unwrap_or_default())
    })
    .collect()
}

fn encode(path: &str, which: impl Fn(u8) -> bool, escape: &str) -> String {
    let mut encoded = String::new();
    for byte in path.bytes() {
        if which(byte) {
            encoded.push_str(&format!("{escape}{byte:02X}"));
        } else {
            encoded.push(char::from(byte));
        }
    }
    encoded
}

fn capitalised(path: &str) -> String {
    let mut is_first = true;
    path.chars()
        .map(|letter| {
            let was_first = std::mem::replace(&mut is_first, letter == '/');
            if was_first { letter.to_ascii_uppercase() } else { letter }
        })
        .collect()
}

const METHODS: [&str; 12] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY",
    "PROPFIND", "get",
];

/// No app has a route like this; what answers it is there for all the rest.
const UNKNOWN: &str = "/no-such-route-7f3a";
