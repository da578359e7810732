//! The types of identity, as fields of a request.

use std::borrow::Cow;

use chrono::{Datelike as _, NaiveDate};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use super::fields::{FromField, Invalid, parsed};
use crate::{
    accounts::credentials::UserStatus,
    identity::{
        Role,
        administration::Standing,
        code::Purpose,
        identifier::{Password, Username, is_unfit_for_names},
        session::Mode,
    },
    schema::{one_of, schemas, text},
};

/// A text with a limit on its length, in characters, and without control
/// characters: what people call themselves or things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name<const MAX: usize>(pub String);

impl<const MAX: usize> PartialSchema for Name<MAX> {
    fn schema() -> RefOr<Schema> {
        let schema = text(1, MAX).description(Some("Without control characters."));
        schema.build().into()
    }
}

impl<const MAX: usize> ToSchema for Name<MAX> {
    fn name() -> Cow<'static, str> {
        format!("Name{MAX}").into()
    }
}

schemas! {
    Standing, "Standing": "Whether a user may come in.", one_of(["active", "blocked"]);
    Purpose, "Purpose": "What a code is for.", one_of(Self::ASKED_FOR.map(Self::as_str));
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
        if text.chars().any(is_unfit_for_names) {
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

/// What a code can be asked for by name; to reset a password has a call of its own.
impl FromField for Purpose {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let text = String::from_field(value)?;
        Self::ASKED_FOR
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
            .ok_or_else(|| {
                let expected = "expected registration, add_identifier or step_up";
                Invalid::new("unknown_value", expected)
            })
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
