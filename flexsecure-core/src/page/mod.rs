#![doc = include_str!("guide.md")]
//! # Where things are
//!
//! | file | role |
//! | --- | --- |
//! | `mod` | a set of pages: what comes with the program, or what a folder puts in its place |
//! | `source` | what such a set is made of, and how a folder replaces it |
//! | `language` | which language a person is answered in |
//! | `step_up` | the set of the step-up page |
//! | `palette.css` | the colours of all pages |
//! | `step-up.html`, `step-up.css`, `step-up.js` | the page itself |
//! | `texts/*.json` | all that it says, a file a language |

mod language;
mod source;
mod step_up;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use minijinja::value::{Kwargs, Serde};
use minijinja::{AutoEscape, Environment, Error, State, UndefinedBehavior, Value};
use serde::Serialize;

use self::language::Languages;
use self::source::Source;

pub use self::language::Language;
pub use self::source::{Builtin, Logo, PagesError, TemplateError};
pub(crate) use self::step_up::{SCRIPT, step_up};

/// A set of pages. Cheap to clone.
#[derive(Clone)]
pub struct Pages(Arc<Set>);

struct Set {
    environment: Environment<'static>,
    languages: Languages,
    style: Bytes,
    logo: Option<Logo>,
}

impl Pages {
    /// The pages of `builtin`, or what `folder` puts in their place.
    ///
    /// # Errors
    ///
    /// [`PagesError`] says which file is wrong: what is in a folder is tried out in every language.
    pub fn load(builtin: &Builtin, folder: Option<&Path>) -> Result<Self, PagesError> {
        let mut source = Source::of(builtin)?;
        if let Some(folder) = folder {
            source.replace(folder)?;
        }
        let environment = environment(&source)?;
        let languages = Languages::new(source.texts.into_keys(), builtin.fallback());
        let (style, logo) = (source.style.into(), source.logo);
        let pages = Self(Arc::new(Set { environment, languages, style, logo }));
        if folder.is_some() {
            pages.try_out(builtin)?;
        }
        Ok(pages)
    }

    fn try_out(&self, builtin: &Builtin) -> Result<(), TemplateError> {
        for (template, context) in (builtin.samples)() {
            for language in self.0.languages.all() {
                self.render(template, language, &context)?;
            }
        }
        Ok(())
    }

    /// The language for whoever's browser sends this `Accept-Language` (RFC 9110, section 12.5.4).
    #[must_use]
    pub fn language(&self, accept: &str) -> Language {
        self.0.languages.choose(accept)
    }

    /// All languages that there are, the one for whoever reads no other first.
    pub fn languages(&self) -> impl Iterator<Item = Language> {
        self.0.languages.all()
    }

    /// What a language is called (BCP 47).
    #[must_use]
    pub fn tag(&self, language: Language) -> &str {
        self.0.languages.tag(language)
    }

    /// The page `template` in `language`.
    ///
    /// Beside `context` it knows `language`, `direction` (`ltr` or `rtl`), `has_logo`, and the
    /// function `t`, which gives a text by its name.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], where a page uses what is there in no sample.
    pub fn render(
        &self,
        template: &str,
        language: Language,
        context: &impl Serialize,
    ) -> Result<String, TemplateError> {
        let Set { environment, languages, logo, .. } = &*self.0;
        let tag = languages.tag(language);
        let direction = language::direction(tag);
        let context = Context { language: tag, direction, has_logo: logo.is_some(), page: context };
        Ok(environment.get_template(template)?.render(Value::from(Serde(context)))?)
    }

    /// The stylesheet, with what the operator adds to it.
    #[must_use]
    pub fn style(&self) -> &Bytes {
        &self.0.style
    }

    /// The picture above the pages, if there is one.
    #[must_use]
    pub fn logo(&self) -> Option<&Logo> {
        self.0.logo.as_ref()
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("languages", &self.0.languages).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Context<'a, C> {
    language: &'a str,
    direction: &'static str,
    has_logo: bool,
    #[serde(flatten)]
    page: &'a C,
}

/// Each text is a template of its own, in plain text: what it becomes is escaped where it is put.
fn environment(source: &Source) -> Result<Environment<'static>, PagesError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    environment.add_function("t", text);
    for (name, template) in &source.templates {
        environment.add_template_owned(name.clone(), template.clone()).map_err(TemplateError)?;
    }
    for (language, texts) in &source.texts {
        for (key, text) in texts {
            let name = text_name(language, key);
            environment.add_template_owned(name, text.clone()).map_err(TemplateError)?;
        }
    }
    Ok(environment)
}

/// `t("left", seconds=5)`: a text in the language of the page, with what it has to name.
fn text(state: &State<'_, '_>, key: &str, values: Kwargs) -> Result<String, Error> {
    let language = state.lookup("language").unwrap_or_default();
    let name = text_name(language.as_str().unwrap_or_default(), key);
    state.env().get_template(&name)?.render(Value::from(values))
}

/// It is named in errors.
fn text_name(language: &str, key: &str) -> String {
    format!("texts/{language}.json#{key}")
}
