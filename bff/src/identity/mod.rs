//! Who is who: the rules of identity. No HTTP is known here.
//!
//! [`sign_in`] is the way in; it uses [`code`]s to prove addresses, [`password`]s
//! to prove people and [`session`]s to remember both. [`oauth`] is the way in through
//! other providers. What they keep in Redis
//! stands in [`store`].

pub mod administration;
mod caller;
pub mod code;
mod error;
pub mod identifier;
mod key_file;
pub mod keys;
pub mod life;
pub mod oauth;
pub mod password;
pub mod revocation;
pub mod secret;
pub mod session;
pub mod settings;
pub mod sign_in;
pub mod store;
pub mod token;

pub use caller::{Caller, Role};
pub use error::{Error, Obligation};
