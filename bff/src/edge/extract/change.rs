use serde_json::Value;

use super::fields::{FromField, Invalid};

/// A field of a `PATCH`: not sent, it stays as it is; null, it is cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays.
    Unchanged,
    /// This is what it is to be.
    To(Option<T>),
}

impl<T: FromField> FromField for Change<T> {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        Option::from_field(value).map(Self::To)
    }

    fn missing() -> Result<Self, Invalid> {
        Ok(Self::Unchanged)
    }
}
