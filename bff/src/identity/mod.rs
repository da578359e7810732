//! Who is who: the rules of identity. No HTTP is known here.

mod caller;
pub mod keys;
pub mod token;

pub use caller::{Caller, Role};
