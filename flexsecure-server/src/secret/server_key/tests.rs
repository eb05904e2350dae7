use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Purpose, ServerKey, ServerKeys, ServerKeysError, list, rotate};

#[test]
fn a_created_file_is_read_again_and_an_appended_line_becomes_current() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let first = ServerKeys::open(&path, true).unwrap();
    let old = first.current().id().to_owned();
    let mac = first.current().mac(Purpose::Pin, &[b"n"]);

    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str(&format!("next {}\n", URL_SAFE_NO_PAD.encode([7; 32])));
    std::fs::write(&path, text).unwrap();

    let rotated = ServerKeys::open(&path, false).unwrap();
    assert_eq!(rotated.current().id(), "next");
    assert_eq!(rotated.find(&old).unwrap().mac(Purpose::Pin, &[b"n"]), mac);
}

#[test]
fn a_missing_or_malformed_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    assert!(matches!(ServerKeys::open(&path, false), Err(ServerKeysError::Missing { .. })));
    for text in ["", "id", "id short", "id !!!!", "id short 2026-01-01T00:00:00Z"] {
        std::fs::write(&path, text).unwrap();
        let opened = ServerKeys::open(&path, true);
        assert!(matches!(opened, Err(ServerKeysError::Malformed { .. })), "{text:?}");
    }
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    ServerKeys::open(&path, true).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn purposes_parts_and_keys_are_kept_apart() {
    let key = ServerKey::for_tests("a", 1);
    let macs = [
        key.mac(Purpose::Pin, &[b"ab", b"c"]),
        key.mac(Purpose::Pin, &[b"a", b"bc"]),
        key.mac(Purpose::Link, &[b"ab", b"c"]),
        ServerKey::for_tests("a", 2).mac(Purpose::Pin, &[b"ab", b"c"]),
    ];
    for (i, left) in macs.iter().enumerate() {
        assert!(macs.iter().skip(i + 1).all(|right| left != right));
    }
}

#[test]
fn debug_tells_no_key() {
    let key = ServerKey::for_tests("a", 0x41);
    assert!(!format!("{key:?}").contains("65"));
}

#[test]
fn a_rotation_adds_a_key_and_keeps_the_file_as_it_was_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    assert!(matches!(rotate(&path), Err(ServerKeysError::Missing { .. })));
    let keys = ServerKeys::open(&path, true).unwrap();
    let old = keys.current();
    let id = rotate(&path).unwrap();
    assert_eq!(keys.current().id(), old.id(), "it has not been read again");
    keys.reload().unwrap();
    assert_eq!(keys.current().id(), id);
    assert_eq!(keys.find(old.id()).unwrap().id(), old.id());

    let listed = list(&path).unwrap();
    let told: Vec<_> = listed.iter().map(|key| (&*key.id, key.is_current)).collect();
    assert_eq!(told, [(&*id, true), (old.id(), false)]);
    assert!(listed.iter().all(|key| key.created.is_some()));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "no temporary file is left");
}

#[test]
fn a_key_that_is_not_known_is_looked_for_once_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let keys = ServerKeys::open(&path, true).unwrap();
    let first = rotate(&path).unwrap();
    assert_eq!(keys.find(&first).unwrap().id(), first);
    let second = rotate(&path).unwrap();
    assert!(keys.find(&second).is_none(), "it has just been read");
    while keys.find(&second).is_none() {
        std::thread::yield_now();
    }
}

#[test]
fn a_file_that_became_unusable_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let keys = ServerKeys::open(&path, true).unwrap();
    let id = keys.current().id().to_owned();
    std::fs::write(&path, "nothing of use").unwrap();
    assert!(keys.reload().is_err());
    assert!(matches!(rotate(&path), Err(ServerKeysError::Malformed { .. })));
    assert!(keys.find("other").is_none());
    assert_eq!(keys.current().id(), id);
}

#[test]
fn rotations_at_once_lose_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    ServerKeys::open(&path, true).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| rotate(&path).unwrap());
        }
    });
    assert_eq!(list(&path).unwrap().len(), 9);
}

#[cfg(unix)]
#[test]
fn permissions_are_kept_and_a_link_is_not_replaced() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    ServerKeys::open(&path, true).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    rotate(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);

    let link = folder.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(rotate(&link), Err(ServerKeysError::NoPlainFile { .. })));
    assert_eq!(list(&link).unwrap().len(), 2, "reading through it is fine");
    assert!(matches!(rotate(folder.path()), Err(ServerKeysError::NoPlainFile { .. })));
}
