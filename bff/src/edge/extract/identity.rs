//! The types of identity, as fields of a request.

use chrono::{Datelike as _, NaiveDate};
use serde_json::Value;

use super::fields::{FromField, Invalid, parsed};
use crate::{
    accounts::credentials::UserStatus,
    identity::{
        Role,
        administration::Standing,
        identifier::{Password, Username},
        session::Mode,
    },
};

/// A text with a limit on its length, in characters, and without control
/// characters: what people call themselves or things.
#[derive(Debug, Clone, PartialEq, Eq, utoipa::ToSchema)]
#[schema(value_type = String)]
pub struct Name<const MAX: usize>(pub String);

/// Marks that change the direction or the line of what stands around a name.
fn turns_text_around(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

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
        if text.chars().any(|c| c.is_control() || turns_text_around(c)) {
            return Err(Invalid::new(
                "invalid_character",
                "control characters aren't allowed",
            ));
        }
        Ok(Self(text))
    }
}

/// A day of birth. That it isn't in the future, the handler checks: it has a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BirthDate(pub NaiveDate);

impl FromField for BirthDate {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let date = NaiveDate::from_field(value)?;
        match date.year() {
            1900.. => Ok(Self(date)),
            _ => Err(Invalid::new("out_of_range", "expected a day since 1900")),
        }
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

impl FromField for Role {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let expected = "expected customer, support or admin";
        parsed(value, "unknown_value", expected)
    }
}

impl FromField for UserStatus {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        serde_json::from_value(value).map_err(|_| {
            let expected = "expected active, blocked, deactivated, deleted or erased";
            Invalid::new("unknown_value", expected)
        })
    }
}

impl FromField for Standing {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        match String::from_field(value)?.as_str() {
            "active" => Ok(Self::Active),
            "blocked" => Ok(Self::Blocked),
            _ => Err(Invalid::new("unknown_value", "expected active or blocked")),
        }
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
