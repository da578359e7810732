//! Extractors that say what is wrong with a request, field by field.

mod body;
mod fields;

pub use body::{Body, JsonOrForm, Path, Query};
pub use fields::{Fields, FromField, FromFields, Invalid, Limit, Place, parsed};
