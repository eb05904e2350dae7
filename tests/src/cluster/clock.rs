//! A wrong clock for a program, which can be set while it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::subject::Launch;

/// A clock that shows the right time until it is set.
#[derive(Debug)]
pub struct Clock {
    folder: TempDir,
}

impl Clock {
    /// One that is right.
    #[must_use]
    pub fn right() -> Self {
        let clock = Self { folder: TempDir::new().expect("a folder of its own") };
        clock.write("+0");
        clock
    }

    /// Shows a time that was `ago` until it is set again; it goes on from there.
    pub fn set_back(&self, ago: Duration) {
        self.write(&format!("-{}", ago.as_secs_f64()));
    }

    /// Shows a time that will be in `ahead`.
    pub fn set_forward(&self, ahead: Duration) {
        self.write(&format!("+{}", ahead.as_secs_f64()));
    }

    /// Shows the right time.
    pub fn set_right(&self) {
        self.write("+0");
    }

    /// `launch`, to read the wall clock from here. Timers do not: they know how long they take.
    pub fn of(&self, launch: Launch) -> Launch {
        launch
            .set("LD_PRELOAD", &library().to_string_lossy())
            .set("FAKETIME_TIMESTAMP_FILE", &self.file().to_string_lossy())
            .set("FAKETIME_NO_CACHE", "1")
            .set("DONT_FAKE_MONOTONIC", "1")
    }

    /// In one step: nobody reads half of it.
    fn write(&self, offset: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, format!("{offset}\n")).expect("a file");
        fs::rename(new, self.file()).expect("a file");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut candidates = folders.map(|folder| folder.path().join(LIBRARY));
    let found = candidates.find(|path| Path::exists(path));
    found.expect("libfaketime: install the package faketime to run these tests")
}

const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
