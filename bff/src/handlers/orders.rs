//! The caller's orders.

use axum::{extract::State, response::Response};
use serde_json::Value;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{PRIVATE, tagged};
use crate::{
    app::AppState,
    edge::{
        error::ApiError,
        extract::{Cursor, FromField, IfNoneMatch, Invalid, Limit, Path, Query},
    },
    identity::Caller,
    upstream::{
        Context,
        view::{Order, OrderState, Page},
    },
};

crate::request! {
    /// Which orders.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct OrdersQuery {
        /// Only those in this state.
        state: Option<OrderState>,
        /// How many.
        #[param(required = false)]
        limit: Limit,
        /// From an earlier page of the same query.
        cursor: Option<Cursor>,
    }
}

impl FromField for OrderState {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        serde_json::from_value(value)
            .map_err(|_| Invalid::new("unknown_value", "expected an order's state"))
    }
}

/// List the caller's orders, newest first.
///
/// Without their lines.
#[utoipa::path(get, path = "/v1/orders", tag = "orders", params(OrdersQuery, Context, IfNoneMatch),
    responses((status = 200, body = Page<Order>)))]
pub async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<OrdersQuery>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let cursor = query.cursor.map(|Cursor(text)| text).unwrap_or_default();
    let page = state
        .sources
        .orders
        .orders(&context, &caller, query.state, query.limit.0, cursor)
        .await?;
    tagged(&known, &page, PRIVATE)
}

/// One of the caller's orders.
#[utoipa::path(get, path = "/v1/orders/{id}", tag = "orders", params(("id" = Uuid, Path), Context, IfNoneMatch),
    responses((status = 200, body = Order)))]
pub async fn show(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<Uuid>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let order = state.sources.orders.order(&context, &caller, id).await?;
    tagged(&known, &order, PRIVATE)
}
