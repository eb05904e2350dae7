//! Where in a text each policy and each annotation stands.
//!
//! Cedar keeps that for what it finds fault with, not for what is fine by it and wrong for us.

/// A policy as it is written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Its first byte.
    pub(super) start: usize,
    /// The keys of its annotations, and where each begins.
    annotations: Vec<(String, usize)>,
}

impl Written {
    /// Where the annotation `key` stands, or else the policy.
    pub(super) fn annotation(&self, key: &str) -> usize {
        let found = self.annotations.iter().find(|(known, _)| known == key);
        found.map_or(self.start, |(_, start)| *start)
    }
}

/// The policies of `text`, which Cedar has parsed already: outside of strings and comments, each
/// ends with its semicolon, and only annotations have an at sign.
pub(super) fn policies(text: &str) -> Vec<Written> {
    let mut policies = Vec::new();
    let mut current: Option<Written> = None;
    let mut rest = text.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        if character.is_whitespace() {
            continue;
        }
        if character == '/' && rest.peek().is_some_and(|(_, next)| *next == '/') {
            while rest.next_if(|(_, next)| *next != '\n').is_some() {}
            continue;
        }
        let policy = current.get_or_insert_with(|| Written { start: at, ..Written::default() });
        match character {
            '"' => {
                while let Some((_, inside)) = rest.next_if(|(_, next)| *next != '"') {
                    if inside == '\\' {
                        rest.next();
                    }
                }
                rest.next();
            }
            '@' => {
                while rest.next_if(|(_, next)| next.is_whitespace()).is_some() {}
                let mut key = String::new();
                while let Some((_, next)) =
                    rest.next_if(|(_, next)| next.is_alphanumeric() || *next == '_')
                {
                    key.push(next);
                }
                policy.annotations.push((key, at));
            }
            ';' => policies.extend(current.take()),
            _ => {}
        }
    }
    policies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_and_annotations_are_found_where_they_stand() {
        let text = concat!(
            "// not; a @policy\n",
            "@id(\"a;\\\"b@c\") // ; @no\n",
            "@ system (\"bank\") permit(principal, action, resource); forbid(x) when { 1 / 2 };",
        );
        let [first, second] = policies(text).try_into().unwrap();
        let at = |needle| text.find(needle).unwrap();
        assert_eq!((first.start, first.annotation("id")), (at("@id"), at("@id")));
        assert_eq!(first.annotation("system"), at("@ system"));
        assert_eq!((second.start, second.annotation("none")), (at("forbid"), at("forbid")));
    }
}
