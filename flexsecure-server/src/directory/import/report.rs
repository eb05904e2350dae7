use std::io;

use super::ImportedLine;

/// Writes a report as CSV (RFC 4180), which a spreadsheet may open: a cell that it would take for a formula begins with
/// an apostrophe.
///
/// # Errors
/// Nothing more can be written.
pub fn csv_report<'a>(
    lines: impl IntoIterator<Item = &'a ImportedLine>,
    out: impl io::Write,
) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    writer.write_record(["line", "authid", "outcome", "detail"])?;
    for line in lines {
        writer.write_record([
            line.line.to_string(),
            inert(line.auth_id.as_deref().unwrap_or_default()),
            line.outcome.as_str().to_owned(),
            inert(line.detail.as_deref().unwrap_or_default()),
        ])?;
    }
    writer.flush()
}

fn inert(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}
