use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::language;

/// What a program brings along: pages, what they say, and how they look.
///
/// Templates whose names end with `.html` are escaped as HTML, all others are plain text.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is put together by whoever brings pages along")]
pub struct Builtin {
    /// Name and source of each template.
    pub templates: &'static [(&'static str, &'static str)],
    /// Tag (BCP 47) and texts of each language, as a JSON object of strings. The first one is for
    /// whoever reads none of them, and has every text there is.
    pub texts: &'static [(&'static str, &'static str)],
    /// The stylesheet. It comes after the colours, which all pages share: one theme does for all.
    pub style: &'static str,
    /// A template and a context for each case that it has to show, by which it is tried out before
    /// anybody sees it.
    pub samples: fn() -> Vec<(&'static str, serde_json::Value)>,
}

impl Builtin {
    pub(super) fn fallback(&self) -> &'static str {
        self.texts.first().map_or("en", |(tag, _)| *tag)
    }
}

/// A picture that stands above the pages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Logo {
    /// Its media type.
    pub content_type: &'static str,
    /// The file.
    pub bytes: Bytes,
}

/// What is wrong with pages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PagesError {
    /// A file can't be read, or the folder can't.
    #[error("{} can't be read", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no page of this name.
    #[error("{} replaces nothing: there are {known}", path.display())]
    UnknownTemplate {
        /// The file.
        path: PathBuf,
        /// The names that there are.
        known: String,
    },
    /// A file of texts is no JSON object of strings.
    #[error("{} has to be a JSON object of strings", path.display())]
    NotTexts {
        /// The file.
        path: PathBuf,
        /// Where it is not.
        source: serde_json::Error,
    },
    /// A file of texts is not called after a language.
    #[error("{} has to be called after a language, like de.json or pt-BR.json", path.display())]
    NotALanguage {
        /// The file.
        path: PathBuf,
    },
    /// There is no text of this name.
    #[error("{}: there is no text called {key:?} to replace", path.display())]
    UnknownText {
        /// The file.
        path: PathBuf,
        /// The name.
        key: String,
    },
    /// A template or a text is broken, or uses what is not there.
    #[error(transparent)]
    Broken(#[from] TemplateError),
}

/// A template could not be read or rendered; it says where.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TemplateError(#[from] pub(super) minijinja::Error);

/// What pages are made of.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) templates: BTreeMap<String, String>,
    /// By language, then by name: each language has every text.
    pub(super) texts: BTreeMap<String, Texts>,
    pub(super) style: String,
    pub(super) logo: Option<Logo>,
    fallback: &'static str,
}

type Texts = BTreeMap<String, String>;

impl Source {
    pub(super) fn of(builtin: &Builtin) -> Result<Self, PagesError> {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let mut source = Self {
            templates: builtin.templates.iter().map(own).collect(),
            texts: BTreeMap::new(),
            style: [PALETTE, builtin.style].concat(),
            logo: None,
            fallback: builtin.fallback(),
        };
        for (tag, texts) in builtin.texts {
            let path = PathBuf::from(format!("{tag}.json"));
            let texts = parse(&path, texts.as_bytes())?;
            source.add_texts(&path, tag, texts)?;
        }
        Ok(source)
    }

    /// Puts what is in `folder` in the place of what is here, or beside it.
    pub(super) fn replace(&mut self, folder: &Path) -> Result<(), PagesError> {
        for path in files(folder)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
            match (stem, extension) {
                (_, "html" | "txt") => self.replace_template(&path, name)?,
                ("theme", "css") => {
                    self.style.push_str(&read_text(&path)?);
                }
                ("logo", _) => {
                    if let Some((_, content_type)) =
                        LOGO_TYPES.iter().find(|(known, _)| *known == extension)
                    {
                        let bytes = read(&path)?.into();
                        self.logo = Some(Logo { content_type, bytes });
                    }
                }
                _ => {}
            }
        }
        let texts = folder.join("texts");
        if !texts.exists() {
            return Ok(());
        }
        for path in files(&texts)? {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let tag = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !language::is_tag(tag) {
                return Err(PagesError::NotALanguage { path });
            }
            let replacing = parse(&path, &read(&path)?)?;
            self.add_texts(&path, tag, replacing)?;
        }
        Ok(())
    }

    fn replace_template(&mut self, path: &Path, name: &str) -> Result<(), PagesError> {
        let Some(template) = self.templates.get_mut(name) else {
            let known: Vec<_> = self.templates.keys().map(String::as_str).collect();
            let known = known.join(", ");
            return Err(PagesError::UnknownTemplate { path: path.to_owned(), known });
        };
        let own = std::mem::replace(template, read_text(path)?);
        // So that the replacement can extend it, and exchange a block or two.
        self.templates.insert(format!("builtin/{name}"), own);
        Ok(())
    }

    /// What a language lacks is said in that of the fallback.
    fn add_texts(&mut self, path: &Path, tag: &str, texts: Texts) -> Result<(), PagesError> {
        let known = self.texts.get(tag).or_else(|| self.texts.get(self.fallback));
        let mut all = match known {
            Some(known) => {
                if let Some(key) = texts.keys().find(|key| !known.contains_key(*key)) {
                    let (path, key) = (path.to_owned(), key.clone());
                    return Err(PagesError::UnknownText { path, key });
                }
                known.clone()
            }
            None => Texts::new(),
        };
        all.extend(texts);
        self.texts.insert(tag.to_owned(), all);
        Ok(())
    }
}

fn parse(path: &Path, json: &[u8]) -> Result<Texts, PagesError> {
    serde_json::from_slice(json)
        .map_err(|source| PagesError::NotTexts { path: path.to_owned(), source })
}

/// In the order of their names, so that it is the same everywhere.
fn files(folder: &Path) -> Result<Vec<PathBuf>, PagesError> {
    let unreadable = |source| PagesError::Unreadable { path: folder.to_owned(), source };
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let paths: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(unreadable)?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, PagesError> {
    std::fs::read(path).map_err(|source| PagesError::Unreadable { path: path.to_owned(), source })
}

fn read_text(path: &Path) -> Result<String, PagesError> {
    std::fs::read_to_string(path)
        .map_err(|source| PagesError::Unreadable { path: path.to_owned(), source })
}

const PALETTE: &str = include_str!("palette.css");

const LOGO_TYPES: &[(&str, &str)] =
    &[("svg", "image/svg+xml"), ("png", "image/png"), ("webp", "image/webp")];
