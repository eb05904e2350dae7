use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::{
    AppState,
    access::Writing,
    body::{bytes, media_type},
    problem::{PROBLEM, Problem, Refused},
    query::{Asked, ImportAsked},
    to_the_end,
};
use crate::{Import, ImportError, ImportFormat, Imported, ImportedLine, csv_report};

/// What became of the lines.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImportReport {
    #[serde(flatten)]
    imported: Imported,
    /// Each line of the body, in order.
    lines: Vec<ImportedLine>,
}

/// A line was refused, and nothing is written.
#[derive(Serialize, ToSchema)]
pub(super) struct ImportRefused {
    #[serde(flatten)]
    problem: Problem,
    /// What would have become of the lines.
    #[schema(required = false)]
    report: ImportReport,
}

/// Puts a user for each line. Give `Accept: text/csv` for a report in CSV. The same can be imported again: what is like
/// that already is left alone.
#[utoipa::path(post, path = "/users/import", tag = "users",
    security(("apikey" = ["admin:write"])), params(ImportAsked),
    request_body(content((String = "text/csv"), (String = "application/jsonl"),
        (String = "application/x-ndjson"))),
    responses((status = 200, content((ImportReport = "application/json"), (String = "text/csv"))),
        (status = 413, body = Problem, content_type = "application/problem+json",
            description = "The body or one of its lines is too long, or there are too many lines."),
        (status = 415, body = Problem, content_type = "application/problem+json",
            description = "The body is of another type."),
        (status = 422, content((ImportRefused = "application/problem+json"), (String = "text/csv")),
            description = "A line is refused, or a column is unknown: nothing is written."),
        Refused))]
pub(super) async fn import_users(
    Writing(directory): Writing,
    State(state): State<AppState>,
    Asked(asked): Asked<ImportAsked>,
    Extension(imports): Extension<Arc<Semaphore>>,
    request: Request,
) -> Result<Response, Problem> {
    let format = match media_type(request.headers()).as_deref() {
        Some("text/csv") => ImportFormat::Csv,
        Some("application/jsonl" | "application/x-ndjson") => ImportFormat::JsonLines,
        _ => {
            return Err(Problem::media_type("text/csv, application/jsonl or application/x-ndjson"));
        }
    };
    let Ok(permit) = imports.try_acquire_owned() else {
        return Err(Problem::busy("try again: other imports are under way"));
    };
    let as_csv = wants_csv(request.headers());
    let body = bytes(request, &state, BODY_LIMIT).await?;
    let mut import = Import::new(asked.dry_run, asked.skip_refused);
    import.most_lines = Some(MOST_LINES);
    let report = to_the_end(async move {
        let _permit = permit;
        let mut lines = Vec::new();
        let open = || Ok(std::io::Cursor::new(Bytes::clone(&body)));
        let keep = |line| {
            lines.push(line);
            Ok(())
        };
        let imported = directory.import(open, format, import, keep).await.map_err(refuse)?;
        Ok(ImportReport { imported, lines })
    })
    .await?;
    let is_refused = !asked.dry_run && !report.imported.written;
    answer(report, is_refused, as_csv)
}

fn answer(report: ImportReport, is_refused: bool, as_csv: bool) -> Result<Response, Problem> {
    let problem =
        || Problem::invalid("correct the lines that are refused, or skip them: nothing is written");
    if as_csv {
        let mut text = Vec::new();
        csv_report(&report.lines, &mut text).map_err(|error| Problem::unavailable(&error))?;
        let status = if is_refused { problem().status() } else { StatusCode::OK };
        let csv = HeaderValue::from_static("text/csv; charset=utf-8");
        return Ok((status, [(CONTENT_TYPE, csv)], text).into_response());
    }
    if !is_refused {
        return Ok(Json(report).into_response());
    }
    let problem = problem();
    let status = problem.status();
    let kind = HeaderValue::from_static(PROBLEM);
    let refused = Json(ImportRefused { problem, report });
    let mut response = (status, refused).into_response();
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

fn refuse(error: ImportError) -> Problem {
    match error {
        ImportError::MissingColumn { .. } | ImportError::BadColumn { .. } => {
            Problem::invalid(error.to_string())
        }
        ImportError::LineTooLong { .. } | ImportError::TooManyLines { .. } => {
            Problem::too_large(error.to_string())
        }
        ImportError::Read(_) => Problem::malformed("send lines of text"),
        ImportError::Report(_) => Problem::unavailable(&error),
        ImportError::Directory(error) => error.into(),
    }
}

fn wants_csv(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/csv"))
}

/// Here alone: elsewhere a body is short.
pub(super) const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The report is in memory.
const MOST_LINES: u64 = 200_000;
