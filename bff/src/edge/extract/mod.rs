//! Extractors that say what is wrong with a request, field by field.

mod body;
mod device;
mod fields;
mod identity;
mod json;
mod money;
mod paging;
mod read;

pub use body::{Body, JsonOrForm, Path, Query, json_body, json_or_nothing};
pub use fields::{AnyText, Fields, FromField, FromFields, Invalid, Place, parsed};
pub use identity::{BirthDate, Name};
pub use money::Amount;
pub use paging::{Cursor, Limit};
pub use read::{DEADLINE, IfNoneMatch};
