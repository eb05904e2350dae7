use std::{
    collections::{HashMap, hash_map::Entry},
    io::{self, Read},
    mem,
};

use sha2::{Digest, Sha256};

use super::{
    Import, ImportError, ImportFormat, Imported, ImportedLine, Line, LineOutcome, Lines,
    json_lines::JsonLines, table::Table,
};
use crate::directory::{Change, Directory, DirectoryError, NewUser, plan};

impl Directory {
    /// Puts a user for each line of what `open` opens, in groups of 500 that are written in one transaction each, and
    /// calls `report` for each line, in order.
    ///
    /// Unless lines that are refused are to be skipped, all are looked at first and then read again: `open` is called
    /// twice, and nothing is written if one is refused. What somebody else changes in between can still refuse a line:
    /// that one is reported again. Never more than a group is in memory, and 40 bytes or so for each line: the same
    /// `authid` twice is refused.
    ///
    /// # Errors
    /// The file can't be read, has columns that are not known, a line of more than 256 KiB, or more than a million
    /// lines; the report can't be written; or the database fails.
    pub async fn import<R: Read + Send>(
        &self,
        open: impl Fn() -> io::Result<R> + Send + Sync,
        format: ImportFormat,
        import: Import,
        mut report: impl FnMut(ImportedLine) -> io::Result<()> + Send,
    ) -> Result<Imported, ImportError> {
        let lines = || lines(open().map_err(ImportError::Read)?, format);
        if import.skip_refused && !import.dry_run {
            return self.pass(&mut *lines()?, import, true, &mut report).await;
        }
        let looked = self.pass(&mut *lines()?, import, false, &mut report).await?;
        if import.dry_run || looked.refused > 0 {
            return Ok(looked);
        }
        let mut late = |line: ImportedLine| match line.outcome {
            LineOutcome::Refused => report(line),
            LineOutcome::Created | LineOutcome::Updated | LineOutcome::Unchanged => Ok(()),
        };
        self.pass(&mut *lines()?, import, true, &mut late).await
    }

    async fn pass(
        &self,
        lines: &mut dyn Lines,
        import: Import,
        write: bool,
        report: &mut (dyn FnMut(ImportedLine) -> io::Result<()> + Send),
    ) -> Result<Imported, ImportError> {
        let most = import.most_lines.unwrap_or(MOST_LINES).min(MOST_LINES);
        let mut imported = Imported { written: write, ..Imported::default() };
        let mut seen = HashMap::new();
        let mut group = Vec::with_capacity(GROUP);
        let mut count = 0_u64;
        loop {
            let line = lines.next_line()?;
            let is_last = line.is_none();
            if let Some(line) = line {
                count = count.saturating_add(1);
                if count > most {
                    return Err(ImportError::TooManyLines { most });
                }
                group.push(checked(line, &mut seen));
            }
            if group.len() >= GROUP || is_last {
                for line in self.group(mem::take(&mut group), write).await? {
                    imported.count(line.outcome);
                    report(line).map_err(ImportError::Report)?;
                }
            }
            if is_last {
                return Ok(imported);
            }
        }
    }

    async fn group(
        &self,
        lines: Vec<Line>,
        write: bool,
    ) -> Result<Vec<ImportedLine>, DirectoryError> {
        let mut users = Vec::with_capacity(lines.len());
        let mut reported = Vec::with_capacity(lines.len());
        for Line { number, auth_id, user } in lines {
            let mut line =
                ImportedLine { line: number, auth_id, outcome: LineOutcome::Refused, detail: None };
            match user {
                Ok(user) => users.push(user),
                Err(why) => line.detail = Some(why),
            }
            reported.push(line);
        }
        let changes =
            if write { self.put_all(users).await? } else { self.plan_all(&users).await? };
        let mut changes = changes.into_iter();
        for line in reported.iter_mut().filter(|line| line.detail.is_none()) {
            match changes.next() {
                Some(Ok(change)) => line.outcome = change.into(),
                Some(Err(error)) => line.detail = Some(error.to_string()),
                None => return Err(crate::StoreError::Undone.into()),
            }
        }
        Ok(reported)
    }

    async fn put_all(
        &self,
        users: Vec<NewUser>,
    ) -> Result<Vec<Result<Change, DirectoryError>>, DirectoryError> {
        let put = self.store.put_users(self.account, users, false, self.clock.now()).await?;
        let withdrawn: Vec<_> =
            put.iter().flatten().flat_map(|put| put.withdrawn.iter().copied()).collect();
        self.wake(&withdrawn).await;
        Ok(put.into_iter().map(|put| put.map(|put| put.change)).collect())
    }

    async fn plan_all(
        &self,
        users: &[NewUser],
    ) -> Result<Vec<Result<Change, DirectoryError>>, DirectoryError> {
        let auth_ids: Vec<_> = users.iter().map(|user| user.auth_id.as_str()).collect();
        let found = self.store.find_users(self.account, &auth_ids).await?;
        let current: HashMap<_, _> =
            found.iter().map(|user| (user.auth_id.as_str(), user)).collect();
        let mut names: Vec<_> = users
            .iter()
            .flat_map(|user| user.assignments.iter().flatten())
            .map(|assignment| assignment.system.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        let systems = self.store.find_systems(self.account, &names).await?;
        let systems = systems.into_iter().map(|system| (system.name, system.policies)).collect();
        let planned = users.iter().map(|user| {
            let current = current.get(user.auth_id.as_str()).copied();
            plan(current, &systems, user).map(|plan| plan.change())
        });
        Ok(planned.collect())
    }
}

fn lines<'a, R: Read + Send + 'a>(
    source: R,
    format: ImportFormat,
) -> Result<Box<dyn Lines + 'a>, ImportError> {
    Ok(match format {
        ImportFormat::Csv => Box::new(Table::new(source)?),
        ImportFormat::JsonLines => Box::new(JsonLines::new(source)),
    })
}

/// What can be said of a line without the database.
fn checked(mut line: Line, seen: &mut HashMap<[u8; 16], u64>) -> Line {
    let Ok(user) = &line.user else { return line };
    if let Some(fault) = user.fault() {
        line.user = Err(fault.error.to_string());
        return line;
    }
    let hash = Sha256::digest(&user.auth_id);
    let mut key = [0; 16];
    for (byte, hashed) in key.iter_mut().zip(hash) {
        *byte = hashed;
    }
    match seen.entry(key) {
        Entry::Occupied(first) => {
            line.user = Err(format!("line {} has the same authid", first.get()));
        }
        Entry::Vacant(place) => {
            place.insert(line.number);
        }
    }
    line
}

/// Users that are written in one transaction: how long others wait.
const GROUP: usize = 500;
const MOST_LINES: u64 = 1_000_000;
