use std::{fs::File, io, path::PathBuf, str::FromStr as _};

use clap::Args;
use flexsecure_server::{Import, ImportFormat, Imported, ImportedLine, LineOutcome, csv_report};

use super::AccountArg;
use crate::cli::{error::CliError, say};

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Its name ends in .csv, .jsonl or .ndjson, unless --format says what it is
    file: PathBuf,
    /// csv or jsonl
    #[arg(long)]
    format: Option<String>,
    /// Write nothing, and say what would become of each line
    #[arg(long)]
    dry_run: bool,
    /// Write the lines that can be; without, nothing is written if any line is refused
    #[arg(long)]
    skip_refused: bool,
    /// Print the report as CSV, which a spreadsheet can open
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    account: AccountArg,
}

impl ImportArgs {
    /// The report is printed as it comes: there may be many lines.
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let named = self.format.as_deref().or_else(|| self.file.extension()?.to_str());
        let format = named
            .and_then(|format| ImportFormat::from_str(format).ok())
            .ok_or(CliError::ImportFormat)?;
        let directory = self.account.open().await?;
        let import = Import::new(self.dry_run, self.skip_refused);
        let mut is_first = true;
        let report = |line: ImportedLine| {
            let is_first = std::mem::take(&mut is_first);
            self.print(&line, is_first).map_err(io::Error::other)
        };
        let imported = directory.import(|| File::open(&self.file), format, import, report).await?;
        if !self.csv {
            self.account.show(&imported, summary)?;
        }
        if imported.refused > 0 && !self.skip_refused {
            return Err(CliError::ImportRefused { refused: imported.refused });
        }
        Ok(())
    }

    fn print(&self, line: &ImportedLine, is_first: bool) -> Result<(), CliError> {
        if !self.csv {
            return self.account.show(line, readable);
        }
        let mut text = Vec::new();
        csv_report([line], &mut text).map_err(CliError::Output)?;
        let text = String::from_utf8_lossy(&text);
        let (header, row) = text.split_once("\r\n").unwrap_or_default();
        if is_first {
            say(header)?;
        }
        say(row.trim_end())
    }
}

fn readable(line: &ImportedLine) -> String {
    let name = line.auth_id.as_deref().unwrap_or("-");
    // What was refused may hold what would break the line.
    let name: String = name.chars().flat_map(shown).collect();
    let outcome = line.outcome.as_str();
    match (&line.detail, line.outcome) {
        (Some(detail), LineOutcome::Refused) => {
            format!("line {}\t{outcome}\t{name}\t{detail}", line.line)
        }
        _ => format!("line {}\t{outcome}\t{name}", line.line),
    }
}

fn shown(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

fn summary(imported: &Imported) -> String {
    let Imported { created, updated, unchanged, refused, .. } = imported;
    let did = if imported.written { "written" } else { "nothing written" };
    format!("{did}: {created} created, {updated} updated, {unchanged} unchanged, {refused} refused")
}
