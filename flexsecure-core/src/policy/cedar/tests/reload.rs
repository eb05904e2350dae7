use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use super::*;
use crate::policy::cedar::watch::{Seen, Watch};

const OPEN: &str = "permit(principal, action, resource);\n// end\n";
const PROVED: &str = "@system(\"bank\")\npermit(principal, action, resource);\n// end\n";

/// A file of rules, and who reads it.
struct Kept {
    rules: CedarRules,
    file: PathBuf,
    _folder: TempDir,
}

impl Kept {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.cedar");
        fs::write(&file, text).unwrap();
        Self { rules: builder().read_file(&file).unwrap(), file, _folder: folder }
    }

    fn write(&self, text: &str) {
        fs::write(&self.file, text).unwrap();
    }

    /// In one step, as it should be done.
    fn replace(&self, text: &str) {
        let beside = self.file.with_extension("new");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &self.file).unwrap();
    }

    fn is_open(&self) -> bool {
        is_open(&said(&self.rules, "GET /a"))
    }

    fn look(&self, watch: &mut Watch) -> Seen {
        watch.look(&self.rules.0)
    }
}

#[test]
fn a_reload_replaces_the_rules_for_every_clone() {
    let kept = Kept::new(OPEN);
    let (clone, before) = (kept.rules.clone(), kept.rules.version());
    assert!(kept.is_open());
    kept.replace(PROVED);
    assert!(kept.is_open(), "nobody has read it again");
    kept.rules.reload().unwrap();
    assert_eq!(required(said(&clone, "GET /a")), bank());
    assert_ne!(clone.version(), before);
    kept.write(OPEN);
    clone.reload().unwrap();
    assert_eq!(kept.rules.version(), before);
    assert!(kept.is_open());
}

#[test]
fn what_is_refused_leaves_the_old_rules_in_force() {
    let kept = Kept::new(PROVED);
    let version = kept.rules.version();
    for (text, place) in [
        ("permit(principal, action, resource)\n// end\n", "1:36: "),
        ("permit(principal, action ==\nAction::\"GET /c\", resource);\n// end\n", "2:1: "),
        ("permit(principal, action, resource)\nwhen { context.x };\n// end\n", "2:8: "),
        ("@if(\"x\") permit(principal, action, resource);\n// end\n", "1:1: "),
        ("permit(principal, action, resource);\n", "2:1: the file is not complete"),
        (
            "permit(principal, action, resource);\n// end\nforbid(principal, action, resource);\n// end\n",
            "2:1: `// end` is the last line",
        ),
    ] {
        kept.write(text);
        let error = kept.rules.reload().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:{place}", kept.file.display())), "{error}");
        assert_eq!(kept.rules.version(), version);
        assert_eq!(required(said(&kept.rules, "GET /a")), bank());
    }
    fs::write(&kept.file, b"permit(principal,\n\xff action, resource);\n// end\n").unwrap();
    assert!(kept.rules.reload().unwrap_err().to_string().contains(":2:1: this is not UTF-8"));
    fs::remove_file(&kept.file).unwrap();
    assert!(matches!(kept.rules.reload(), Err(CedarError::Unreadable { .. })));
    kept.write(&" ".repeat(2 << 20));
    assert!(matches!(kept.rules.reload(), Err(CedarError::Unreadable { .. })));
    assert_eq!(required(said(&kept.rules, "GET /a")), bank());
}

#[test]
fn a_part_of_a_file_is_never_in_force() {
    let whole = "permit(principal, action, resource);\n\
                 forbid(principal, action == Action::\"GET /a\", resource);\n// end\n";
    let kept = Kept::new(whole);
    let version = kept.rules.version();
    for (length, _) in whole.trim_end().char_indices() {
        kept.write(&whole[..length]);
        assert!(kept.rules.reload().is_err(), "{:?}", &whole[..length]);
        assert!(kept.rules.version() == version && !kept.is_open());
    }
    let started = builder().read_file(&kept.file);
    assert!(matches!(started, Err(CedarError::Refused(_))), "nor when an app starts");
}

#[test]
fn the_watch_waits_until_the_file_is_no_longer_written_to() {
    let (kept, mut watch) = (Kept::new(PROVED), Watch::default());
    assert!(matches!(kept.look(&mut watch), Seen::Same));
    kept.write(OPEN);
    assert!(matches!(kept.look(&mut watch), Seen::Unsettled));
    assert!(!kept.is_open());
    kept.write(&format!("// again\n{OPEN}"));
    assert!(matches!(kept.look(&mut watch), Seen::Unsettled));
    assert!(!kept.is_open());
    assert!(matches!(kept.look(&mut watch), Seen::Replaced));
    assert!(kept.is_open());
    assert!(matches!(kept.look(&mut watch), Seen::Same));
    kept.replace(PROVED);
    assert!(matches!(kept.look(&mut watch), Seen::Unsettled));
    assert!(matches!(kept.look(&mut watch), Seen::Replaced));
    assert!(!kept.is_open());
}

#[test]
fn the_watch_tells_of_a_refused_or_missing_file_once() {
    let (kept, mut watch) = (Kept::new(PROVED), Watch::default());
    kept.write("permit(\n// end\n");
    assert!(matches!(kept.look(&mut watch), Seen::Unsettled));
    assert!(matches!(kept.look(&mut watch), Seen::Refused(CedarError::Refused(_))));
    assert!(matches!(kept.look(&mut watch), Seen::Same));
    fs::remove_file(&kept.file).unwrap();
    assert!(matches!(kept.look(&mut watch), Seen::Missing(CedarError::Unreadable { .. })));
    assert!(matches!(kept.look(&mut watch), Seen::Same));
    assert_eq!(required(said(&kept.rules, "GET /a")), bank());
    kept.write(OPEN);
    assert!(matches!(kept.look(&mut watch), Seen::Unsettled));
    assert!(matches!(kept.look(&mut watch), Seen::Replaced));
    fs::remove_file(&kept.file).unwrap();
    assert!(matches!(kept.look(&mut watch), Seen::Missing(_)), "it was there again meanwhile");
}

#[test]
fn a_change_between_the_start_and_the_first_look_is_seen() {
    let (kept, mut watch) = (Kept::new(PROVED), Watch::default());
    kept.write(OPEN);
    kept.rules.reload().unwrap();
    assert!(matches!(kept.look(&mut watch), Seen::Same));
    kept.write(PROVED);
    assert!(matches!(kept.look(&mut watch), Seen::Unsettled));
    assert!(matches!(kept.look(&mut watch), Seen::Replaced));
}

#[tokio::test]
async fn a_watched_file_is_read_again_until_nobody_has_the_rules() {
    let kept = Kept::new(PROVED);
    kept.rules.watch_every(Duration::from_millis(1)).unwrap();
    kept.rules.watch().unwrap();
    let watching = kept.rules.0.watching.get().unwrap().clone();
    kept.write(OPEN);
    let opened = async {
        while !kept.is_open() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), opened).await.unwrap();
    assert!(!watching.is_finished());
    drop(kept);
    let ended = async {
        while !watching.is_finished() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
}

#[test]
fn what_can_not_be_watched_is_told() {
    let kept = Kept::new(OPEN);
    assert!(matches!(kept.rules.watch(), Err(CedarError::NoRuntime)));
    let text = rules("permit(principal, action, resource);");
    assert!(matches!(text.watch(), Err(CedarError::NotFromAFile)));
    assert!(matches!(text.reload(), Err(CedarError::NotFromAFile)));
}

/// Of the old rules both of two policies apply, and of the new ones both of two others: whatever
/// takes from both, or from one of them only a part, asks for something that neither does.
#[test]
fn every_decision_is_by_the_old_rules_or_by_the_new_ones_as_a_whole() {
    let text = |method, age| {
        format!(
            "@system(\"bank\") @methods(\"{method}\") permit(principal, action, resource);\n\
             @system(\"bank\") @max_age(\"{age}m\") permit(principal, action, resource);\n// end\n"
        )
    };
    let texts = [text("pin", 1), text("passwordless", 5)];
    let expected = [bank().pin().within(minutes(1)), bank().passwordless().within(minutes(5))];
    let kept = Kept::new(&texts[0]);
    // By the old ones, by the new ones, by something else.
    let seen = [const { AtomicUsize::new(0) }; 3];
    let is_over = AtomicBool::new(false);
    let count = |which: usize| seen[which].load(Ordering::Relaxed);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let decision = said(&kept.rules, "GET /a");
                    let is_by = |asked: &Requirement| {
                        matches!(&decision, Decision::Require(it) if **it == *asked)
                    };
                    let which = expected.iter().position(is_by).unwrap_or(2);
                    seen[which].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut rounds = 0;
        while count(2) == 0 && (rounds < 100 || count(0) < 200 || count(1) < 200) {
            kept.replace(&texts[(rounds + 1) % 2]);
            kept.rules.reload().unwrap();
            rounds += 1;
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(count(2), 0);
}

#[test]
fn rules_are_shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    is_shared(&Arc::new(rules("permit(principal, action, resource);")));
}
