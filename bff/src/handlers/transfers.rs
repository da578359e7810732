//! Money that moves.

use std::time::Duration;

use axum::{extract::State, response::Response};
use futures::FutureExt as _;
use serde_json::json;
use tokio::time::sleep;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{PRIVATE, cursor::PageQuery, tagged};
use crate::{
    accounts::{
        audit::{AuditEntry, AuditEvent},
        idempotency::{Answer, RequestKey},
        money::{self, MoneySchema, NewTransfer, Refusal, Transfer, TransferAnswer},
        persist,
    },
    app::AppState,
    edge::{
        error::{ApiError, Code, FieldError},
        extract::{Amount, IfNoneMatch, Name, Path, Query},
        idempotency::{self, IdempotencyKey, Idempotent},
        roles::Admin,
    },
    identity::{Caller, session::Device},
    upstream::{Context, Read, view::Page},
};

/// How long a try whose connection died is waited for at a time: PostgreSQL looks every
/// 50 ms whether anyone is still there for what it does.
const ABANDONED_WAIT: Duration = Duration::from_millis(60);
/// How often. Then it counts as any other request that is still running.
const ABANDONED_WAITS: u32 = 3;

crate::request! {
    /// A transfer to be made.
    #[derive(ToSchema)]
    pub struct TransferRequest {
        /// An account of the caller's.
        from_account_id: Uuid,
        /// Anybody's account, in the same currency.
        to_account_id: Uuid,
        /// How much; more than zero.
        #[schema(value_type = MoneySchema)]
        amount: Amount,
        /// What it is for; both sides see it.
        note: Option<Name<200>>,
    }
}

/// Move money from an account of the caller's.
#[utoipa::path(post, path = "/v1/transfers", tag = "money", request_body = TransferRequest,
    params(("Idempotency-Key" = IdempotencyKey, Header, description = "Kept for 24 hours. A refusal isn't kept: it has changed nothing")),
    responses((status = 201, body = TransferAnswer,
        headers(("Idempotent-Replayed" = String, description = "`true` when this is the kept answer to an earlier request")))))]
pub async fn create(
    State(state): State<AppState>,
    Idempotent { key, body }: Idempotent<TransferRequest>,
) -> Result<Response, ApiError> {
    let transfer = NewTransfer {
        id: state.clock.new_id(),
        from: Some(body.from_account_id),
        to: body.to_account_id,
        amount: body.amount.0,
        note: body.note.map(|note| note.0),
    };
    let post = || money::post(&state.accounts, &key, &transfer, &*state.clock);
    carry_out(&state, &key, post).await
}

crate::request! {
    /// Money that comes into the system.
    #[derive(ToSchema)]
    pub struct DepositRequest {
        /// How much; more than zero.
        #[schema(value_type = MoneySchema)]
        amount: Amount,
        /// Why; it is the transfer's note.
        reason: Name<200>,
    }
}

/// Bring money into a user's account.
///
/// It comes from the world. For admins.
#[utoipa::path(post, path = "/v1/admin/accounts/{id}/deposit", tag = "money", request_body = DepositRequest,
    params(("id" = Uuid, Path), ("Idempotency-Key" = IdempotencyKey, Header, description = "Kept for 24 hours")),
    responses((status = 201, body = TransferAnswer,
        headers(("Idempotent-Replayed" = String, description = "`true` when this is the kept answer to an earlier request")))))]
pub async fn deposit(
    State(state): State<AppState>,
    Admin(caller): Admin,
    device: Device,
    Path(to): Path<Uuid>,
    Idempotent { key, body }: Idempotent<DepositRequest>,
) -> Result<Response, ApiError> {
    let transfer = NewTransfer {
        id: state.clock.new_id(),
        from: None,
        to,
        amount: body.amount.0,
        note: Some(body.reason.0),
    };
    let entry = AuditEntry {
        id: state.clock.new_id(),
        at: state.clock.now(),
        event: AuditEvent::DepositMade,
        user_id: None,
        session_id: Some(caller.session_id),
        ip: Some(device.ip),
        user_agent: Some(device.user_agent),
        subject: None,
        detail: json!({ "transfer_id": transfer.id, "account_id": to, "amount": transfer.amount }),
    };
    let (pool, clock) = (&state.accounts, &*state.clock);
    let deposit = || money::deposit(pool, &key, &transfer, &entry, clock);
    carry_out(&state, &key, deposit).await
}

/// Carries out what has this key, once, and answers.
async fn carry_out<F>(
    state: &AppState,
    key: &RequestKey,
    mut work: impl FnMut() -> F,
) -> Result<Response, ApiError>
where
    F: Future<Output = sqlx::Result<Result<Answer, Refusal>>>,
{
    let (mut tries, mut waits) = (0, 0);
    let answer = loop {
        let counted = || {
            tries += 1;
            work()
        };
        match persist(state.accounts.unguarded(), counted).await? {
            // Perhaps by the try before, whose connection died.
            Err(Refusal::InFlight) if tries > 1 && waits < ABANDONED_WAITS => {
                waits += 1;
                sleep(ABANDONED_WAIT).await;
            }
            outcome => break outcome.map_err(refused)?,
        }
    };
    // The other side hears of it through the event.
    state.changed(key.user_id).await;
    Ok(idempotency::answer(answer))
}

fn refused(refusal: Refusal) -> ApiError {
    let at = |code, pointer| {
        let detail = "there is no such account";
        ApiError::new(code).errors(vec![FieldError::new(pointer, "not_found", detail)])
    };
    match refusal {
        Refusal::InFlight => {
            ApiError::new(Code::RequestInFlight).retry_after(Duration::from_secs(1))
        }
        Refusal::KeyReused => ApiError::new(Code::IdempotencyKeyReused),
        Refusal::NoDebitAccount => at(Code::NotFound, "/from_account_id"),
        Refusal::NoCreditAccount => at(Code::NotFound, "/to_account_id"),
        Refusal::AccountClosed => ApiError::new(Code::AccountClosed),
        Refusal::SameAccount => ApiError::new(Code::SameAccount),
        Refusal::CurrencyMismatch => ApiError::new(Code::CurrencyMismatch),
        Refusal::InsufficientFunds => ApiError::new(Code::InsufficientFunds),
        Refusal::TooMuch => ApiError::new(Code::BalanceTooLarge),
    }
}

/// One transfer from or to an account of the caller's.
#[utoipa::path(get, path = "/v1/transfers/{id}", tag = "money", params(("id" = Uuid, Path), Context, IfNoneMatch),
    responses((status = 200, body = Transfer)))]
pub async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let (from, user_id) = (&state.sources.accounts, caller.user_id);
    let transfer = from
        .read(Read::Money, context.deadline, user_id, |c| {
            money::transfer(c, user_id, id).boxed()
        })
        .await?;
    tagged(&known, &transfer, PRIVATE)
}

/// List the caller's transfers, newest first.
///
/// From the caller's accounts and to them. The newest is the one that was asked for last: a payment's transfer has its
/// place by when the payment began, and appears there once the money was taken.
/// In which order money moved is told by the entries of an account.
#[utoipa::path(get, path = "/v1/transfers", tag = "money", params(PageQuery, Context, IfNoneMatch),
    responses((status = 200, body = Page<Transfer>)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<PageQuery>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let list: &[&[u8]] = &[b"transfers", caller.user_id.as_bytes()];
    let before = state.cursors.read(list, query.cursor.as_ref())?;
    let (from, user_id, rows) = (&state.sources.accounts, caller.user_id, query.limit.rows());
    let transfers = from
        .read(Read::Money, context.deadline, user_id, |c| {
            money::transfers(c, user_id, before, rows).boxed()
        })
        .await?;
    let cursor = |last: &Transfer| state.cursors.make(list, last.id);
    tagged(
        &known,
        &Page::cut(transfers, query.limit.0, cursor),
        PRIVATE,
    )
}
