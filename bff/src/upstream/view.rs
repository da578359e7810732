//! What clients see of what the orders service knows.

use chrono::{DateTime, Utc};
use platform::{currency::Currency, money::Money};
use proto::orders::v1;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use super::CallError;
use crate::accounts::{
    money::MoneySchema,
    users::{instant, optional_instant},
};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The first `limit` rows. `cursor` makes the next page's from the last of
    /// them, when there are more.
    pub fn cut(mut rows: Vec<T>, limit: u8, cursor: impl FnOnce(&T) -> String) -> Self {
        let more = rows.len() > limit.into();
        rows.truncate(limit.into());
        let next_cursor = rows.last().filter(|_| more).map(cursor);
        Self {
            items: rows,
            next_cursor,
        }
    }
}

/// Something that can be bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Item {
    /// Its id.
    pub id: Uuid,
    /// Its title.
    pub title: String,
    /// Who made it.
    pub author: String,
    /// What it is about.
    pub description: String,
    /// Lower-case, without order.
    pub tags: Vec<String>,
    /// The price now; null when it isn't sold in the currency asked for.
    #[schema(value_type = Option<MoneySchema>)]
    pub price: Option<Money>,
    /// Copies that can still be ordered.
    pub available: i64,
    /// When it was added.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    #[serde(serialize_with = "instant")]
    pub updated_at: DateTime<Utc>,
}

/// Which items are wanted; what is empty doesn't narrow. The service checks it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ItemQuery {
    /// Words to search for.
    pub query: String,
    /// A tag that they carry.
    pub tag: String,
    /// What prices are in; the service's default if none is given.
    pub currency: Option<Currency>,
    /// The lowest price.
    pub min_price: Option<String>,
    /// The highest price.
    pub max_price: Option<String>,
    /// Their order.
    #[serde(serialize_with = "number")]
    pub sort: v1::ItemSort,
    /// How many, 1 to 100.
    pub limit: u8,
    /// Where the page begins.
    pub cursor: String,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// It waits for its payment.
    PendingPayment,
    /// Its payment is being taken.
    Capturing,
    /// It is paid.
    Paid,
    /// Its goods were handed over.
    Fulfilled,
    /// It was cancelled.
    Cancelled,
    /// It waited for its payment too long.
    Expired,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Order {
    /// Its id.
    pub id: Uuid,
    /// Where it stands.
    pub state: OrderState,
    /// What was ordered. Lists leave it out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<OrderLine>,
    /// The sum of the lines before the discount.
    #[schema(value_type = MoneySchema)]
    pub subtotal: Money,
    /// What was taken off.
    #[schema(value_type = MoneySchema)]
    pub discount: Money,
    /// What is to be paid.
    #[schema(value_type = MoneySchema)]
    pub total: Money,
    /// Copies over all lines.
    pub quantity: i64,
    /// When it was made.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "instant")]
    pub updated_at: DateTime<Utc>,
    /// Until when its payment is awaited; null once it isn't.
    #[serde(serialize_with = "optional_instant")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// What an order has of one item, as it was when the order was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderLine {
    /// The item.
    pub item_id: Uuid,
    /// Its title then.
    pub title: String,
    /// Its author then.
    pub author: String,
    /// Copies.
    pub quantity: i32,
    /// The price of one.
    #[schema(value_type = MoneySchema)]
    pub unit_price: Money,
    /// What was taken off this line.
    #[schema(value_type = MoneySchema)]
    pub discount: Money,
    /// What this line costs.
    #[schema(value_type = MoneySchema)]
    pub total: Money,
}

fn number<S: Serializer>(sort: &v1::ItemSort, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i32((*sort).into())
}

/// The answer breaks the contract.
fn malformed(field: &'static str) -> CallError {
    CallError::internal(format_args!("orders sent a malformed {field}"))
}

pub(super) fn id(text: &str, field: &'static str) -> Result<Uuid, CallError> {
    text.parse().map_err(|_| malformed(field))
}

pub(super) fn timestamp(
    time: Option<prost_types::Timestamp>,
    field: &'static str,
) -> Result<DateTime<Utc>, CallError> {
    let time = time.ok_or_else(|| malformed(field))?;
    let nanos = u32::try_from(time.nanos).map_err(|_| malformed(field))?;
    DateTime::from_timestamp(time.seconds, nanos).ok_or_else(|| malformed(field))
}

fn money(money: Option<v1::Money>, field: &'static str) -> Result<Money, CallError> {
    let read = |money: v1::Money| Money::parse(&money.amount, money.currency.parse().ok()?).ok();
    money.and_then(read).ok_or_else(|| malformed(field))
}

impl TryFrom<v1::Item> for Item {
    type Error = CallError;

    fn try_from(item: v1::Item) -> Result<Self, CallError> {
        Ok(Self {
            id: id(&item.id, "item.id")?,
            title: item.title,
            author: item.author,
            description: item.description,
            tags: item.tags,
            price: item
                .price
                .map(|price| money(Some(price), "item.price"))
                .transpose()?,
            available: item.available,
            created_at: timestamp(item.created_at, "item.created_at")?,
            updated_at: timestamp(item.updated_at, "item.updated_at")?,
        })
    }
}

impl TryFrom<v1::OrderState> for OrderState {
    type Error = CallError;

    fn try_from(state: v1::OrderState) -> Result<Self, CallError> {
        Ok(match state {
            v1::OrderState::Unspecified => return Err(malformed("order.state")),
            v1::OrderState::PendingPayment => Self::PendingPayment,
            v1::OrderState::Capturing => Self::Capturing,
            v1::OrderState::Paid => Self::Paid,
            v1::OrderState::Fulfilled => Self::Fulfilled,
            v1::OrderState::Cancelled => Self::Cancelled,
            v1::OrderState::Expired => Self::Expired,
        })
    }
}

impl From<OrderState> for v1::OrderState {
    fn from(state: OrderState) -> Self {
        match state {
            OrderState::PendingPayment => Self::PendingPayment,
            OrderState::Capturing => Self::Capturing,
            OrderState::Paid => Self::Paid,
            OrderState::Fulfilled => Self::Fulfilled,
            OrderState::Cancelled => Self::Cancelled,
            OrderState::Expired => Self::Expired,
        }
    }
}

impl TryFrom<v1::Order> for Order {
    type Error = CallError;

    fn try_from(order: v1::Order) -> Result<Self, CallError> {
        let expires_at = order.expires_at;
        Ok(Self {
            id: id(&order.id, "order.id")?,
            state: order.state().try_into()?,
            lines: order
                .lines
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            subtotal: money(order.subtotal, "order.subtotal")?,
            discount: money(order.discount, "order.discount")?,
            total: money(order.total, "order.total")?,
            quantity: order.quantity,
            created_at: timestamp(order.created_at, "order.created_at")?,
            updated_at: timestamp(order.updated_at, "order.updated_at")?,
            expires_at: expires_at
                .map(|at| timestamp(Some(at), "order.expires_at"))
                .transpose()?,
        })
    }
}

impl TryFrom<v1::OrderLine> for OrderLine {
    type Error = CallError;

    fn try_from(line: v1::OrderLine) -> Result<Self, CallError> {
        Ok(Self {
            item_id: id(&line.item_id, "line.item_id")?,
            title: line.title,
            author: line.author,
            quantity: line.quantity,
            unit_price: money(line.unit_price, "line.unit_price")?,
            discount: money(line.discount, "line.discount")?,
            total: money(line.total, "line.total")?,
        })
    }
}
