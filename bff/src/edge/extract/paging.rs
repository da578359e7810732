//! Which page of a list, as fields of a query.

use serde_json::Value;

use super::fields::{FromField, Invalid};
use crate::schema::{schemas, text};

/// How many entries a page of a list has: 1 to 100, 20 unless told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, utoipa::ToSchema)]
#[schema(value_type = u8, minimum = 1, maximum = 100, default = 20)]
pub struct Limit(pub u8);

impl Limit {
    /// How many rows to read: one more tells whether there is another page.
    #[must_use]
    pub fn rows(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl FromField for Limit {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let limit = match value {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_u64().and_then(|n| u8::try_from(n).ok()),
            _ => None,
        };
        limit
            .filter(|limit| (1..=100).contains(limit))
            .map(Self)
            .ok_or_else(|| Invalid::new("out_of_range", "expected a number from 1 to 100"))
    }

    fn missing() -> Result<Self, Invalid> {
        Ok(Self(20))
    }
}

/// Where a page of a list begins: as an answer gave it, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

impl Cursor {
    /// The longest one, in characters.
    pub const MAX: usize = 512;
    /// What all of them are made of.
    pub const PATTERN: &str = "^[A-Za-z0-9_-]+$";
}

schemas! {
    Cursor, "Cursor": "Where a page begins, from an answer.",
        text(1, Self::MAX).pattern(Some(Self::PATTERN));
}

impl FromField for Cursor {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        match String::from_field(value)? {
            text if (1..=Self::MAX).contains(&text.len()) && text.bytes().all(is_digit) => {
                Ok(Self(text))
            }
            _ => Err(Invalid::new(
                "invalid",
                "expected a cursor of an earlier page",
            )),
        }
    }
}
