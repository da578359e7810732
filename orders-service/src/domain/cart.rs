use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What somebody means to buy. It goes when an order is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// UUIDv7.
    pub id: Uuid,
    /// When the first item was put into it.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// One item of a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartLine {
    /// The item.
    pub item_id: Uuid,
    /// Its title now.
    pub title: String,
    /// Copies.
    pub quantity: i32,
}
