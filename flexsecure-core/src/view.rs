use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;

/// What the gate, and a policy, may know of a request.
///
/// An adapter looks things up when they are asked for: a request that is let through is asked for
/// nothing.
pub trait RequestView {
    /// The method, in capitals.
    fn method(&self) -> &str;

    /// Path and query as the client sent them, before any router stripped a prefix.
    fn path(&self) -> &str;

    /// The first header called `name`, which is given in lower case, if it is text.
    fn header(&self, name: &str) -> Option<&str>;

    /// Shows each header that is text, name in lower case and value, in the order in which they came.
    fn headers(&self, show: &mut dyn FnMut(&str, &str));

    /// The pattern of the route that was matched, where the framework tells.
    fn matched_route(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// Shows the parts of the path that the matched route has names for: name and decoded value.
    ///
    /// Without more from the framework, they are found by laying the pattern over the path, where
    /// `{name}` is one segment and `{*name}` all the rest.
    fn path_parameters(&self, show: &mut dyn FnMut(&str, &str)) {
        if let Some(pattern) = self.matched_route() {
            lay_over(&pattern, self.path(), show);
        }
    }

    /// The body, where it has been read.
    fn body(&self) -> Option<&Bytes> {
        None
    }

    /// The address of the connection's other end, where the framework tells.
    fn peer(&self) -> Option<IpAddr> {
        None
    }
}

/// Shows nothing at all unless the whole of `path` is what `pattern` says.
fn lay_over(pattern: &str, path: &str, show: &mut dyn FnMut(&str, &str)) {
    let path = path.split('?').next().unwrap_or_default();
    if let Some(found) = parameters(pattern, path) {
        found.iter().for_each(|(name, value)| show(name, value));
    }
}

fn parameters<'p>(pattern: &'p str, path: &'p str) -> Option<Vec<(&'p str, Cow<'p, str>)>> {
    let mut found = Vec::new();
    let mut rest = Some(path.strip_prefix('/')?);
    for expected in pattern.strip_prefix('/')?.split('/') {
        let left = rest?;
        let name = expected.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
        if let Some(tail) = name.and_then(|name| name.strip_prefix('*')) {
            found.push((tail, decoded(left)?));
            return Some(found);
        }
        let (segment, behind) = match left.split_once('/') {
            Some((segment, behind)) => (segment, Some(behind)),
            None => (left, None),
        };
        match name {
            Some(name) => found.push((name, decoded(segment)?)),
            None if segment == expected => {}
            None => return None,
        }
        rest = behind;
    }
    rest.is_none().then_some(found)
}

/// Percent-encoding is undone once, and a plus sign is a plus sign (RFC 3986, section 2.1).
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok()
}

/// A request as plain data, for tests and for transports that are no framework.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is put together by whoever uses it")]
pub struct PlainRequest<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Names, in lower case, and values.
    pub headers: &'a [(&'a str, &'a str)],
}

impl RequestView for PlainRequest<'_> {
    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        self.path
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.headers.iter().for_each(|(name, value)| show(name, value));
    }
}

/// A request that is kept over an await.
#[derive(Debug)]
pub(crate) struct OwnedRequest {
    method: Box<str>,
    path: Box<str>,
    headers: Vec<(Box<str>, Box<str>)>,
    matched_route: Option<Box<str>>,
    path_parameters: Vec<(Box<str>, Box<str>)>,
    body: Option<Bytes>,
    peer: Option<IpAddr>,
}

impl OwnedRequest {
    pub(crate) fn of(request: &dyn RequestView) -> Self {
        let mut headers = Vec::new();
        request.headers(&mut |name, value| headers.push((name.into(), value.into())));
        let mut path_parameters = Vec::new();
        request.path_parameters(&mut |name, value| {
            path_parameters.push((name.into(), value.into()));
        });
        Self {
            method: request.method().into(),
            path: request.path().into(),
            headers,
            matched_route: request.matched_route().map(|route| route.into()),
            path_parameters,
            body: request.body().cloned(),
            peer: request.peer(),
        }
    }
}

impl RequestView for OwnedRequest {
    fn method(&self) -> &str {
        &self.method
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    fn headers(&self, show: &mut dyn FnMut(&str, &str)) {
        self.headers.iter().for_each(|(name, value)| show(name, value));
    }

    fn matched_route(&self) -> Option<Cow<'_, str>> {
        self.matched_route.as_deref().map(Cow::Borrowed)
    }

    fn path_parameters(&self, show: &mut dyn FnMut(&str, &str)) {
        self.path_parameters.iter().for_each(|(name, value)| show(name, value));
    }

    fn body(&self) -> Option<&Bytes> {
        self.body.as_ref()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, path: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        lay_over(pattern, path, &mut |name, value| found.push((name.into(), value.into())));
        found
    }

    #[test]
    fn a_pattern_names_parts_of_a_path() {
        let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found("/users/{id}", "/users/7?id=8"), [one("id", "7")]);
        assert_eq!(found("/users/{id}", "/users/a%2Fb%20%C3%A4+"), [one("id", "a/b \u{e4}+")]);
        assert_eq!(found("/users/{id}", "/users/%2541"), [one("id", "%41")]);
        assert_eq!(found("/{a}/x/{b}", "/1/x/2"), [one("a", "1"), one("b", "2")]);
        assert_eq!(found("/{a}/{*rest}", "/1/x//2/"), [one("a", "1"), one("rest", "x//2/")]);
    }

    #[test]
    fn nothing_is_found_in_a_path_of_another_form() {
        for (pattern, path) in [
            ("/users/{id}", "/users"),
            ("/users/{id}", "/users/7/x"),
            ("/users/{id}", "/users/7/"),
            ("/users/{id}", "/Users/7"),
            ("/users/{id}", "users/7"),
            ("/users/{id}", "/users/%ff"),
            ("/users/{id}/x", "/users/7/y"),
        ] {
            assert!(found(pattern, path).is_empty(), "{pattern} {path}");
        }
    }
}
