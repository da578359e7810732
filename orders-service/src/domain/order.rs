use chrono::{DateTime, Utc};
use platform::money::Money;
use uuid::Uuid;

/// Where an order is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "order_state", rename_all = "snake_case")]
pub enum OrderState {
    /// Its payment is awaited.
    PendingPayment,
    /// Its payment is being captured: no way back but a definite refusal.
    Capturing,
    /// Its money has come.
    Paid,
    /// Its goods were handed over.
    Fulfilled,
    /// It was called off.
    Cancelled,
    /// Its payment didn't come in time.
    Expired,
}

/// What somebody bought, or wants to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// UUIDv7.
    pub id: Uuid,
    /// Where it is on its way.
    pub state: OrderState,
    /// Copies over all lines.
    pub quantity: i64,
    /// What the lines cost.
    pub subtotal: Money,
    /// What is taken off.
    pub discount: Money,
    /// What is left to pay.
    pub total: Money,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Until when its payment may come, while it is awaited.
    pub expires_at: Option<DateTime<Utc>>,
    /// Raised by every change; also its etag.
    pub version: i64,
}

/// That an order came into a state; the first one is that of its making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderTransition {
    /// The order.
    pub order_id: Uuid,
    /// Where it is from then on.
    pub state: OrderState,
    /// When.
    pub at: DateTime<Utc>,
}

/// One item of an order, as it was when the order was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// The item.
    pub item_id: Uuid,
    /// Its title then.
    pub title: String,
    /// Its author then.
    pub author: String,
    /// Copies.
    pub quantity: i32,
    /// What one cost then.
    pub unit_price: Money,
    /// What is taken off.
    pub discount: Money,
    /// What all of them cost.
    pub total: Money,
}
