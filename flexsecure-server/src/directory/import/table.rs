use std::io::{self, Read};

use super::{ImportError, LONGEST_LINE, Line, Lines};
use crate::{
    Channel, Method,
    directory::{Assignment, NewUser},
};

/// CSV (RFC 4180) in UTF-8. What looks like a formula is text like any other.
pub(super) struct Table<R> {
    reader: csv::Reader<Bounded<R>>,
    columns: Vec<Column>,
    record: csv::ByteRecord,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Column {
    AuthId,
    Email,
    Sms,
    Locale,
    Disabled,
    Assignments,
}

impl<R: Read> Table<R> {
    pub(super) fn new(source: R) -> Result<Self, ImportError> {
        let source = Bounded { source, left: LONGEST_LINE };
        // The reader counts lines that end in CR LF from the wrong end: it is told of LF alone.
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(true)
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(source);
        let columns = columns(reader.byte_headers().map_err(|error| failed(error, 1))?)?;
        Ok(Self { reader, columns, record: csv::ByteRecord::new() })
    }

    fn line(&self) -> Line {
        let number = self.record.position().map_or(0, csv::Position::line);
        let mut cells = Vec::with_capacity(self.columns.len());
        for cell in &self.record {
            let cell = cell.strip_suffix(b"\r").unwrap_or(cell);
            let Ok(cell) = std::str::from_utf8(cell) else {
                return Line { number, auth_id: None, user: Err("it is not UTF-8".to_owned()) };
            };
            cells.push(cell);
        }
        let named = || self.columns.iter().copied().zip(cells.iter().copied());
        let auth_id = named().find(|(column, _)| *column == Column::AuthId).map(|(_, cell)| cell);
        let auth_id = auth_id.unwrap_or_default().to_owned();
        let (has, wants) = (cells.len(), self.columns.len());
        let user = if has == wants {
            user(&auth_id, named())
        } else {
            Err(format!("it has {has} cells, and the first line has {wants}"))
        };
        Line { number, auth_id: Some(auth_id), user }
    }
}

impl<R: Read + Send> Lines for Table<R> {
    fn next_line(&mut self) -> Result<Option<Line>, ImportError> {
        loop {
            let number = self.reader.position().line();
            self.reader.get_mut().left = LONGEST_LINE;
            let read = self.reader.read_byte_record(&mut self.record);
            if !read.map_err(|error| failed(error, number))? {
                return Ok(None);
            }
            let is_blank = self.record.len() == 1 && matches!(self.record.get(0), Some(b"\r"));
            if !is_blank {
                return Ok(Some(self.line()));
            }
        }
    }
}

fn columns(names: &csv::ByteRecord) -> Result<Vec<Column>, ImportError> {
    let mut columns = Vec::new();
    for (name, position) in names.iter().zip(1_usize..) {
        let column = match name.strip_suffix(b"\r").unwrap_or(name) {
            b"authid" => Column::AuthId,
            b"email" => Column::Email,
            b"sms" => Column::Sms,
            b"locale" => Column::Locale,
            b"disabled" => Column::Disabled,
            b"assignments" => Column::Assignments,
            _ => return Err(ImportError::BadColumn { position }),
        };
        if columns.contains(&column) {
            return Err(ImportError::BadColumn { position });
        }
        columns.push(column);
    }
    if !columns.contains(&Column::AuthId) {
        return Err(ImportError::MissingColumn { column: "authid" });
    }
    Ok(columns)
}

/// Contacts are tried in the order of their columns, and of what a cell lists.
fn user<'a>(
    auth_id: &str,
    cells: impl Iterator<Item = (Column, &'a str)>,
) -> Result<NewUser, String> {
    let mut user = NewUser::new(auth_id);
    for (column, cell) in cells {
        match column {
            Column::AuthId => {}
            Column::Email => {
                user = listed(cell).fold(user, |user, one| user.contact(Channel::Email, one));
            }
            Column::Sms => {
                user = listed(cell).fold(user, |user, one| user.contact(Channel::Sms, one));
            }
            Column::Locale => user = user.locale(cell),
            Column::Disabled => match cell {
                "" => {}
                "true" => user = user.disabled(true),
                "false" => user = user.disabled(false),
                _ => return Err("disabled: neither true nor false nor empty".to_owned()),
            },
            Column::Assignments => match cell {
                "" => {}
                "none" => user = user.assignments([]),
                _ => {
                    user = user
                        .assignments(listed(cell).map(assignment).collect::<Result<Vec<_>, _>>()?);
                }
            },
        }
    }
    Ok(user)
}

/// A system's name may hold the sign too, a method's word does not.
fn assignment(text: &str) -> Result<Assignment, String> {
    let malformed = || "assignments: not none, and not like bank=pin;vpn=passwordless".to_owned();
    let (system, method) = text.rsplit_once('=').ok_or_else(malformed)?;
    let method: Method = method.parse().map_err(|_| malformed())?;
    Ok(Assignment::new(system, method))
}

fn listed(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';').map(str::trim).filter(|one| !one.is_empty())
}

fn failed(error: csv::Error, line: u64) -> ImportError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            ImportError::LineTooLong { line }
        }
        csv::ErrorKind::Io(error) => ImportError::Read(error),
        _ => ImportError::Read(io::ErrorKind::InvalidData.into()),
    }
}

/// Ends in an error where a line takes more than its share: what a cell holds is kept until it is closed.
struct Bounded<R> {
    source: R,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.source.read(buffer)?;
        self.left = self.left.saturating_sub(read);
        Ok(read)
    }
}
