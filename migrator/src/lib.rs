//! The schemas of both databases: embedded migrations, the services' roles and
//! what those may do.
//!
//! A binary for operators, and a library for tests, which make their template
//! databases with [`up`] and name them by [`digest`].

mod connection;
mod error;
mod run;
mod status;
mod store;

pub use error::MigrateError;
pub use run::{down, set_app_password, up};
pub use status::{State, Step, in_step, status};
pub use store::{Store, digest};
