//! What the service is about, without I/O.

mod cart;
mod item;
mod order;
mod page;

pub use cart::{Cart, CartLine};
pub use item::{Item, ItemFilter, ItemOrder, ItemQuery, SearchText, Tag};
pub use order::{Order, OrderLine, OrderState, OrderTransition};
pub use page::{Page, PageSize, PageTokens, Position};

/// Why a text or a number was refused, for whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub &'static str);
