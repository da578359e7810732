//! Extractors that say what is wrong with a request, field by field.

mod body;
mod device;
mod fields;
mod identity;
mod json;
mod money;
mod read;

pub use body::{Body, JsonOrForm, Path, Query, json_body};
pub use fields::{Fields, FromField, FromFields, Invalid, Limit, Place, parsed};
pub use identity::{BirthDate, Name};
pub use money::Amount;
pub use read::IfNoneMatch;
