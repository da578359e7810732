//! All that is kept about the caller, as one JSON document.
//!
//! It is written page by page while it is sent, so that memory never holds more
//! than a page of it. What can be away is asked before the answer begins; should
//! it fail later, the document breaks off, and can't be taken for complete.

use std::{future::ready, io, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt as _, stream};
use http::header;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    accounts::{
        audit::AuditEvent,
        export,
        trail::{self, AuditFilter},
        users::instant,
    },
    app::AppState,
    edge::error::{ApiError, Code},
    handlers::sessions::SessionView,
    identity::{Caller, session::Device, sign_in::KnownDevice},
    upstream::{Context, Deadline, Trail},
};

/// Rows that are read at once.
const PAGE: i64 = 200;
/// How long reading them may take.
const PAGE_LIMIT: Duration = Duration::from_secs(5);

/// Where the document has been written to: the next page of which list.
enum Place {
    Orders(String),
    Accounts(Option<Uuid>),
    Entries(Option<(Uuid, i64)>),
    Holds(Option<Uuid>),
    Answers(Option<String>),
    Acts(Option<Uuid>),
    Audit(Option<Uuid>),
}

/// The document's beginning: everything of which there is little.
#[derive(Serialize)]
struct Head {
    #[serde(serialize_with = "instant")]
    exported_at: DateTime<Utc>,
    user: export::ExportedUser,
    identities: Vec<export::ExportedIdentity>,
    sessions: Vec<SessionView>,
    devices: Vec<KnownDevice>,
}

struct Export {
    state: AppState,
    caller: Caller,
    trail: Trail,
}

/// Everything that is kept about the caller.
#[utoipa::path(get, path = "/v1/me/export", tag = "identity", responses((status = 200,
    description = "The user, identities, sessions, known devices, cart, orders with the way of each, accounts, entries, holds, kept answers, the audit trail and what the user did to others",
    content_type = "application/json", body = Object)))]
pub async fn export(
    State(state): State<AppState>,
    caller: Caller,
    device: Device,
    trail: Trail,
) -> Result<Response, ApiError> {
    state
        .life
        .note(&caller, AuditEvent::Exported, &device)
        .await?;
    let export = Export {
        state,
        caller,
        trail,
    };
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"export.json\"",
        ),
    ];
    let document = Body::from_stream(export.begin().await?);
    Ok((headers, document).into_response())
}

impl Export {
    /// Writes the beginning, and then page by page as the client reads.
    async fn begin(self) -> Result<impl Stream<Item = io::Result<Bytes>>, ApiError> {
        let mut first = self.head().await?;
        let (orders, next) = self.page(Place::Orders(String::new())).await?;
        first.extend(orders);
        let rest = stream::try_unfold((self, next), |(export, place)| async move {
            let Some(place) = place else { return Ok(None) };
            let (bytes, next) = export.page(place).await?;
            Ok::<_, ApiError>(Some((bytes, (export, next))))
        });
        let chunks = stream::once(ready(Ok(first))).chain(rest);
        Ok(chunks.map(|chunk| match chunk {
            Ok(bytes) => Ok(Bytes::from(bytes)),
            Err(error) => Err(io::Error::other(error.code().as_str())),
        }))
    }

    async fn head(&self) -> Result<Vec<u8>, ApiError> {
        let (pool, user_id) = (&self.state.accounts, self.caller.user_id);
        let user = export::user(pool, user_id).await?;
        let sessions = self.state.sessions.list(user_id).await?;
        let view = |session| SessionView::new(session, self.caller.session_id);
        let head = Head {
            exported_at: self.state.clock.now(),
            user: user.ok_or_else(|| ApiError::new(Code::Unauthenticated))?,
            identities: export::identities(pool, user_id).await?,
            sessions: sessions.into_iter().map(view).collect(),
            devices: self.state.sign_in.devices(user_id).await?,
        };
        let mut head = serde_json::to_vec(&head).map_err(ApiError::internal)?;
        // The lists follow in the same object.
        head.pop();
        Ok(head)
    }

    /// Writes a page, and tells where the next one is.
    async fn page(&self, place: Place) -> Result<(Vec<u8>, Option<Place>), ApiError> {
        let (pool, user) = (&self.state.accounts, self.caller.user_id);
        match place {
            Place::Orders(cursor) => {
                let (from, context) = (&self.state.sources.orders, self.context());
                let begins = cursor.is_empty();
                let (page, cart) = from.export_orders(&context, &self.caller, cursor).await?;
                let next = page.next_cursor.map(Place::Orders);
                let then = Place::Accounts(None);
                let (orders, next) = list("orders", begins, &page.items, next, then)?;
                let mut bytes = Vec::new();
                if begins {
                    bytes.extend_from_slice(b",\"cart\":");
                    serde_json::to_writer(&mut bytes, &cart).map_err(ApiError::internal)?;
                }
                bytes.extend(orders);
                Ok((bytes, next))
            }
            Place::Accounts(after) => {
                let rows = export::accounts(pool, user, after, PAGE).await?;
                let next = full(&rows).map(|last| Place::Accounts(Some(last.id)));
                list(
                    "accounts",
                    after.is_none(),
                    &rows,
                    next,
                    Place::Entries(None),
                )
            }
            Place::Entries(after) => {
                let rows = export::entries(pool, user, after, PAGE).await?;
                let last = full(&rows).map(|last| (last.account_id, last.number));
                let next = last.map(|last| Place::Entries(Some(last)));
                list("entries", after.is_none(), &rows, next, Place::Holds(None))
            }
            Place::Holds(after) => {
                let rows = export::holds(pool, user, after, PAGE).await?;
                let next = full(&rows).map(|last| Place::Holds(Some(last.id)));
                list("holds", after.is_none(), &rows, next, Place::Answers(None))
            }
            Place::Answers(after) => {
                let rows = export::answers(pool, user, after.as_deref(), PAGE).await?;
                let next = full(&rows).map(|last| Place::Answers(Some(last.key.clone())));
                list("answers", after.is_none(), &rows, next, Place::Acts(None))
            }
            Place::Acts(after) => {
                let rows = export::acts(pool, user, after, PAGE).await?;
                let next = full(&rows).map(|last| Place::Acts(Some(last.id)));
                list("acts", after.is_none(), &rows, next, Place::Audit(None))
            }
            Place::Audit(after) => {
                let filter = AuditFilter {
                    user_id: Some(user),
                    ..AuditFilter::default()
                };
                let mut rows = trail::list(pool, &filter, after, PAGE).await?;
                for line in &mut rows {
                    line.hide_others(user);
                }
                let next = full(&rows).map(|last| Place::Audit(Some(last.id)));
                let is_last = next.is_none();
                let (mut bytes, next) = list("audit", after.is_none(), &rows, next, None)?;
                if is_last {
                    bytes.push(b'}');
                }
                Ok((bytes, next))
            }
        }
    }

    /// For the same request, with time for one page.
    fn context(&self) -> Context {
        Context {
            deadline: Deadline::within(PAGE_LIMIT),
            trail: self.trail.clone(),
        }
    }
}

/// The last row of a page after which there may be another.
fn full<T>(rows: &[T]) -> Option<&T> {
    rows.last().filter(|_| rows.len() as i64 == PAGE)
}

/// Writes rows of a list: its beginning, if it begins with them, and its end if
/// there is no next page. Then comes the place `then`.
fn list<T: Serialize>(
    name: &str,
    begins: bool,
    rows: &[T],
    next: Option<Place>,
    then: impl Into<Option<Place>>,
) -> Result<(Vec<u8>, Option<Place>), ApiError> {
    let mut bytes = Vec::new();
    if begins {
        bytes.extend_from_slice(format!(",\"{name}\":[").as_bytes());
    }
    for (index, row) in rows.iter().enumerate() {
        if index > 0 || !begins {
            bytes.push(b',');
        }
        serde_json::to_writer(&mut bytes, row).map_err(ApiError::internal)?;
    }
    if next.is_none() {
        bytes.push(b']');
    }
    Ok((bytes, next.or_else(|| then.into())))
}
