//! The gRPC API: messages in, messages out.

mod catalog;
mod fields;
pub mod guard;
mod messages;
pub mod observe;
mod orders;
mod privacy;
mod server;
pub mod tokens;

pub use catalog::Catalog;
pub use orders::Orders;
pub use privacy::Privacy;
pub use server::{Services, serve};
