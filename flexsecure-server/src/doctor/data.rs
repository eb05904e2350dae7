use std::path::Path;

use super::{Finding, files};
use crate::{
    ServerKeysError,
    config::Place,
    list_server_keys,
    store::{Condition, condition},
};

pub(super) async fn examine(place: &Place, key_file: &Path) -> Vec<Finding> {
    if let Place::File(path) = place
        && !path.exists()
    {
        return vec![examine_folder(path)];
    }
    let condition = match condition(place).await {
        Ok(condition) => condition,
        Err(error) => {
            let advice = format!("is {} a database of this server?", place.told());
            return vec![Finding::failed("database", &error, &advice)];
        }
    };
    let mut findings = vec![examine_migrations(place, &condition)];
    if let Place::File(path) = place {
        findings.push(files::examine("database", path));
    }
    findings.extend(examine_keys(key_file, &condition));
    findings
}

/// A first start makes the database, if there is a place for it.
fn examine_folder(database: &Path) -> Finding {
    let folder = match database.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let path = database.display();
    if folder.is_dir() {
        return Finding::warning(
            "database",
            format!("{path} is not there yet"),
            "the first command that needs it makes it; if it should be there, correct `database`",
        );
    }
    let told = format!("the folder of {path} is missing");
    Finding::broken("database", told, "make it, writable for the user that the server runs as")
}

fn examine_migrations(place: &Place, condition: &Condition) -> Finding {
    let path = place.told();
    if condition.unknown > 0 {
        let told = format!("{path} was made by a newer version ({} changes)", condition.unknown);
        return Finding::broken("database", told, "install that version, or restore a backup");
    }
    if condition.missing > 0 {
        let told = format!("{path} is of an older version ({} changes)", condition.missing);
        return Finding::warning(
            "database",
            told,
            "back it up; the next start brings it up to date",
        );
    }
    Finding::ok("database", format!("{path} opens and is up to date"))
}

fn examine_keys(key_file: &Path, condition: &Condition) -> Vec<Finding> {
    let keys = match list_server_keys(key_file) {
        Ok(keys) => keys,
        Err(ServerKeysError::Missing { .. }) if condition.server_keys.is_empty() => {
            let told = format!("{} is not there yet", key_file.display());
            return vec![Finding::warning("server keys", told, "the first start makes it")];
        }
        Err(error) => {
            let advice = "without it no API key is accepted";
            return vec![Finding::failed("server keys", &error, advice)];
        }
    };
    let is_there = |id: &String| keys.iter().any(|key| key.id == *id);
    let lost: Vec<_> =
        condition.server_keys.iter().filter(|id| !is_there(id)).map(String::as_str).collect();
    let fits = if lost.is_empty() {
        Finding::ok("server keys", format!("{} in the file, and none is missing", keys.len()))
    } else {
        let told = format!("{} lacks {}", key_file.display(), lost.join(", "));
        let advice = "restore the file, or revoke and replace the API keys made with what is lost";
        Finding::broken("server keys", told, advice)
    };
    vec![fits, files::examine("server keys", key_file)]
}
