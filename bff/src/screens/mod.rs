//! Screens: several sources, one deadline, one payload, and an answer even when
//! a source is down.
//!
//! A screen is a list of parts. To add one, write its parts down as `home.rs`
//! does, and give it a route. What holds for every part (its share of the
//! deadline, the cache, the guard, its report) is the engine's.

mod engine;
pub mod home;
mod part;
mod payload;
mod settings;

pub use engine::{Ask, Screens};
pub use part::{Call, Keep, Need, Part, PartReport, Screen, Status, json};
pub use payload::{Payload, strong_etag};
pub use settings::ScreenSettings;

use crate::upstream::{Accounts, Orders};

/// What parts are fetched from. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The accounts store.
    pub accounts: Accounts,
    /// The orders service.
    pub orders: Orders,
}
