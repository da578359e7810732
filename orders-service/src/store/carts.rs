//! Carts and their lines.

use sqlx::PgExecutor;
use uuid::Uuid;

use crate::domain::{Cart, CartLine};

/// A user's cart, if there is one.
///
/// # Errors
/// What the database says.
pub async fn get(executor: impl PgExecutor<'_>, user: Uuid) -> Result<Option<Cart>, sqlx::Error> {
    sqlx::query_as!(
        Cart,
        "SELECT id, created_at, updated_at FROM carts WHERE user_id = $1",
        user,
    )
    .fetch_optional(executor)
    .await
}

/// The lines of a cart, in their order: a hundred at most.
///
/// # Errors
/// What the database says.
pub async fn lines(
    executor: impl PgExecutor<'_>,
    cart: Uuid,
) -> Result<Vec<CartLine>, sqlx::Error> {
    sqlx::query_as!(
        CartLine,
        "SELECT l.item_id, i.title, l.quantity
         FROM cart_lines l JOIN items i ON i.id = l.item_id
         WHERE l.cart_id = $1 ORDER BY l.position",
        cart,
    )
    .fetch_all(executor)
    .await
}
