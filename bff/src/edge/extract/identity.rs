//! The types of identity, as fields of a request.

use serde_json::Value;

use super::fields::{FromField, Invalid};
use crate::identity::{
    identifier::{Password, Username},
    session::Mode,
};

/// A text with a limit on its length, in characters, and without control
/// characters: what people call themselves or things.
#[derive(Debug, Clone, PartialEq, Eq, utoipa::ToSchema)]
#[schema(value_type = String)]
pub struct Name<const MAX: usize>(pub String);

impl<const MAX: usize> FromField for Name<MAX> {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let text = String::from_field(value)?.trim().to_owned();
        if text.is_empty() {
            return Err(Invalid::new("too_short", "expected at least one character"));
        }
        if text.chars().count() > MAX {
            return Err(Invalid::new(
                "too_long",
                format!("at most {MAX} characters"),
            ));
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid::new(
                "invalid_character",
                "control characters aren't allowed",
            ));
        }
        Ok(Self(text))
    }
}

impl FromField for Mode {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let text = String::from_field(value)?;
        Self::parse(&text).ok_or_else(|| Invalid::new("unknown_value", "expected token or cookie"))
    }

    fn missing() -> Result<Self, Invalid> {
        Ok(Self::Token)
    }
}

impl FromField for Username {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        Self::parse(&String::from_field(value)?)
            .map_err(|error| Invalid::new("invalid_username", error.to_string()))
    }
}

impl FromField for Password {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let text = String::from_field(value)?;
        Self::new(&text).ok_or_else(|| Invalid::new("too_long", "at most 128 characters"))
    }
}
