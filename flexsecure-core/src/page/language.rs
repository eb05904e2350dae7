/// A language that pages are there in.
///
/// The default is the one for whoever reads no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Language(u8);

impl Language {
    #[cfg(test)]
    pub(crate) const DEFAULT: Self = Self(0);
}

/// All languages of a set of pages.
#[derive(Debug)]
pub(super) struct Languages {
    /// The default comes first.
    tags: Vec<String>,
}

impl Languages {
    pub(super) fn new(tags: impl Iterator<Item = String>, fallback: &str) -> Self {
        let mut tags: Vec<_> = tags.take(usize::from(u8::MAX)).collect();
        tags.sort_by_key(|tag| tag != fallback);
        Self { tags }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Language> {
        (0..=u8::MAX).take(self.tags.len()).map(Language)
    }

    pub(super) fn tag(&self, language: Language) -> &str {
        self.tags.get(usize::from(language.0)).map_or("en", String::as_str)
    }

    /// The best of those that `accept` names, each shortened until there is one (the lookup of
    /// RFC 4647, section 3.4).
    pub(super) fn choose(&self, accept: &str) -> Language {
        let mut wanted: Vec<(u16, &str)> = accept.split(',').filter_map(weighted).collect();
        // A stable sort: of two that are wanted alike, the first one counts.
        wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let found = wanted.into_iter().find_map(|(_, range)| {
            if range == "*" {
                return Some(Language::default());
            }
            let shortened = std::iter::successors(Some(range), |range| {
                range.rsplit_once('-').map(|(shorter, _)| shorter)
            });
            shortened.filter_map(|range| find(&self.tags, range)).next()
        });
        found.unwrap_or_default()
    }
}

fn find(tags: &[String], range: &str) -> Option<Language> {
    let index = tags.iter().position(|tag| tag.eq_ignore_ascii_case(range))?;
    u8::try_from(index).ok().map(Language)
}

/// A language range and its weight in thousandths, unless it is not wanted at all.
fn weighted(part: &str) -> Option<(u16, &str)> {
    let (range, parameters) = part.split_once(';').unwrap_or((part, "q=1"));
    let weight: f32 = match parameters.trim().split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("q") => {
            value.trim().parse().ok()?
        }
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what fits"
    )]
    let weight = (weight.clamp(0.0, 1.0) * 1000.0) as u16;
    (weight > 0).then_some((weight, range.trim()))
}

/// Whether `tag` looks like one of BCP 47.
pub(super) fn is_tag(tag: &str) -> bool {
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let primary = tag.split('-').next().unwrap_or_default();
    (2..=3).contains(&primary.len())
        && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
        && tag.split('-').all(is_part)
}

/// How a language is written.
pub(super) fn direction(tag: &str) -> &'static str {
    let mut parts = tag.split('-');
    let primary = parts.next().unwrap_or_default();
    let is_one_of =
        |part: &str, known: &[&str]| known.iter().any(|it| it.eq_ignore_ascii_case(part));
    let script = parts.find(|part| part.len() == 4);
    let is_right_to_left = match script {
        Some(script) => is_one_of(script, RIGHT_TO_LEFT_SCRIPTS),
        None => is_one_of(primary, RIGHT_TO_LEFT),
    };
    if is_right_to_left { "rtl" } else { "ltr" }
}

/// Languages that are written from right to left unless a script is named.
const RIGHT_TO_LEFT: &[&str] =
    &["ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "ps", "sd", "syr", "ug", "ur", "yi"];

const RIGHT_TO_LEFT_SCRIPTS: &[&str] = &["Adlm", "Arab", "Hebr", "Nkoo", "Rohg", "Syrc", "Thaa"];
