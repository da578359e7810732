//! An account's history as a file. However long it is, a few hundred lines of
//! it are in memory at a time, and no connection to the database is held while
//! the client reads.

use std::{future::ready, ops::Range, time::Duration};

use axum::{body::Body, extract::State, response::Response};
use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use http::{HeaderValue, header};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    accounts::money::{self, Line},
    app::AppState,
    edge::{
        error::{ApiError, FieldError},
        extract::{FromField, Invalid, Path, Query},
    },
    identity::Caller,
    schema::{like, schemas},
    upstream::{Accounts, CallError, Context, Deadline, Read},
};

/// Lines that are read at once.
const CHUNK: i64 = 500;

/// An instant of RFC 3339, or a day, which means its first instant in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When(DateTime<Utc>);

schemas! {
    When, "When": "An instant of RFC 3339, or a day.",
        like("^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].+)?$").examples(["2026-01-31", "2026-01-31T12:00:00Z"]);
}

impl FromField for When {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let day = |_| {
            let day = NaiveDate::from_field(value.clone())?;
            Ok(day.and_time(NaiveTime::MIN).and_utc())
        };
        let read = DateTime::from_field(value.clone()).or_else(day);
        read.map(Self).map_err(|_: Invalid| {
            let detail = "expected an instant such as 2026-01-31T12:00:00Z, or a day";
            Invalid::new("invalid_instant", detail)
        })
    }
}

/// What the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Format {
    /// RFC 4180, with a line of names first.
    Csv,
    /// An object with the entries in it.
    Json,
}

impl FromField for Format {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        match String::from_field(value)?.as_str() {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err(Invalid::new("unknown_value", "expected csv or json")),
        }
    }

    fn missing() -> Result<Self, Invalid> {
        Ok(Self::Json)
    }
}

crate::request! {
    /// Which part of an account's history, and as what.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct StatementQuery {
        /// From this instant or day on; from the beginning, if it isn't given.
        from: Option<When>,
        /// Until before this instant or day; to the end, if it isn't given.
        to: Option<When>,
        /// `csv`, or `json` if it isn't given.
        #[param(value_type = Option<Format>)]
        format: Format,
    }
}

/// What happened in one of the caller's accounts, as a file.
///
/// Within some time, oldest first. It ends early, without its last line, when the
/// server can't go on.
#[utoipa::path(get, path = "/v1/accounts/{id}/statement", tag = "money", params(("id" = Uuid, Path), StatementQuery, Context),
    responses((status = 200, content((String = "application/json"), (String = "text/csv")))))]
pub async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Query(query): Query<StatementQuery>,
    context: Context,
) -> Result<Response, ApiError> {
    let (from, to) = (query.from.map(|from| from.0), query.to.map(|to| to.0));
    if from.zip(to).is_some_and(|(from, to)| to < from) {
        let fault = FieldError::new("to", "out_of_range", "expected an instant after from");
        return Err(ApiError::invalid(vec![fault]));
    }
    let (accounts, user_id) = (state.sources.accounts.clone(), caller.user_id);
    let part = accounts
        .read(Read::Money, context.deadline, user_id, |c| {
            money::statement(c, user_id, id, from, to).boxed()
        })
        .await?;
    let format = query.format;
    let file = StatementFile {
        accounts,
        user_id,
        id,
        format,
        first: part.start,
        limit: state.settings.screens.read_ms.duration(),
    };
    let mut response = Response::new(Body::from_stream(file.stream(part)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, format.media_type());
    headers.insert(header::CONTENT_DISPOSITION, format.file_name());
    Ok(response)
}

/// A statement on its way to a client.
struct StatementFile {
    accounts: Accounts,
    user_id: Uuid,
    id: Uuid,
    format: Format,
    /// The number of its first line.
    first: i64,
    /// How long reading some lines may take.
    limit: Duration,
}

impl StatementFile {
    /// The file, from its beginning to its end, with these lines.
    fn stream(self, part: Range<i64>) -> impl Stream<Item = Result<String, CallError>> {
        let one = |text: String| stream::once(ready(Ok(text)));
        let (begin, end) = (self.format.begin(self.id), self.format.end());
        let lines = stream::try_unfold((self, part), |(file, part)| async {
            let read = file.read(part).await?;
            Ok(read.map(|(text, rest)| (text, (file, rest))))
        });
        one(begin).chain(lines).chain(one(end))
    }

    /// The first of these lines, and which are left; none: there are none.
    async fn read(&self, part: Range<i64>) -> Result<Option<(String, Range<i64>)>, CallError> {
        if part.is_empty() {
            return Ok(None);
        }
        let (deadline, id) = (Deadline::within(self.limit), self.id);
        let lines = self
            .accounts
            .read(Read::Money, deadline, self.user_id, |c| {
                money::lines(c, id, part.clone(), CHUNK).boxed()
            })
            .await;
        let lines = lines.inspect_err(|error| tracing::warn!(%error, "a statement ends early"))?;
        let read = lines.last().map_or(part.end, |last| last.number + 1);
        let text = self.format.lines(&lines, part.start == self.first);
        Ok(Some((text, read..part.end)))
    }
}

impl Format {
    const fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
        })
    }

    const fn file_name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Csv => "attachment; filename=\"statement.csv\"",
            Self::Json => "attachment; filename=\"statement.json\"",
        })
    }

    fn begin(self, account_id: Uuid) -> String {
        match self {
            Self::Csv => {
                "number,created_at,transfer_id,amount,balance_after,currency,note\r\n".into()
            }
            Self::Json => format!("{{\"account_id\":\"{account_id}\",\"entries\":["),
        }
    }

    fn end(self) -> String {
        match self {
            Self::Csv => String::new(),
            Self::Json => "]}".into(),
        }
    }

    fn lines(self, lines: &[Line], first: bool) -> String {
        let mut text = String::new();
        for (place, line) in lines.iter().enumerate() {
            match self {
                Self::Csv => text += &csv(line),
                Self::Json => {
                    if place > 0 || !first {
                        text.push(',');
                    }
                    text += &serde_json::to_string(line).expect("a line is plain data");
                }
            }
        }
        text
    }
}

fn csv(line: &Line) -> String {
    let Line {
        number,
        created_at,
        transfer_id,
        amount,
        balance_after,
        note,
    } = line;
    let at = created_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let (amount, currency) = (amount.amount(), amount.currency());
    let (balance, note) = (
        balance_after.amount(),
        quoted(note.as_deref().unwrap_or("")),
    );
    format!("{number},{at},{transfer_id},{amount},{balance},{currency},{note}\r\n")
}

/// A text that strangers wrote, as a field of RFC 4180. Spreadsheets take one
/// that begins like a formula for one, unless an apostrophe stands before it.
fn quoted(text: &str) -> String {
    let apostrophe = if text.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
}
