use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::{CedarError, Fault, RefusedRules};

/// Where rules come from.
#[derive(Debug)]
pub(super) enum Origin {
    File(PathBuf),
    Text(String),
}

impl Origin {
    /// What it is called in faults and in the log.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(file) => file.display().to_string(),
            Self::Text(_) => "rules".to_owned(),
        }
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, CedarError> {
        match self {
            Self::File(file) => {
                read(file).map_err(|source| CedarError::Unreadable { file: file.clone(), source })
            }
            Self::Text(text) => Ok(text.clone().into_bytes()),
        }
    }

    /// The text in `bytes`, if it is all there.
    pub(super) fn text<'b>(&self, bytes: &'b [u8]) -> Result<&'b str, RefusedRules> {
        let refused = |fault| RefusedRules { origin: self.name(), faults: vec![fault] };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let valid = String::from_utf8_lossy(valid);
            refused(Fault::at(&valid, valid.len(), "this is not UTF-8"))
        })?;
        // Somebody may still be writing a file, and what is missing might be what forbids.
        let is_whole = match self {
            Self::File(_) => is_whole(text),
            Self::Text(_) => Ok(()),
        };
        is_whole.map_err(refused).map(|()| text)
    }
}

/// Whether the first line that says so is the last one: a part that ends there must not look whole.
fn is_whole(text: &str) -> Result<(), Fault> {
    let mut offset = 0_usize;
    for line in text.split_inclusive('\n') {
        let next = offset.saturating_add(line.len());
        if line.trim() == END {
            let rest = text.get(next..).unwrap_or_default();
            let message = format!("`{END}` is the last line, and there is more");
            return if rest.trim().is_empty() {
                Ok(())
            } else {
                Err(Fault::at(text, offset, message))
            };
        }
        offset = next;
    }
    let message = format!("the file is not complete: its last line has to be `{END}`");
    Err(Fault::at(text, text.len(), message))
}

fn read(file: &PathBuf) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LARGEST.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than a mebibyte"));
    }
    Ok(bytes)
}

/// The last line of a file that is all there.
pub(super) const END: &str = "// end";

/// Of a file, in bytes.
const LARGEST: u64 = 1024 * 1024;
