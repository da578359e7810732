//! Reading the fields of a body, a form or a query: every fault is found and
//! named, unknown fields among them.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    accounts::users::Change,
    edge::error::{ApiError, FieldError},
    schema::{schemas, text},
};

/// Why a value was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The field at fault within an object; empty for the value itself.
    pub within: String,
    /// For programs, such as `too_short`.
    pub code: Cow<'static, str>,
    /// For people.
    pub detail: String,
}

impl Invalid {
    /// A reason.
    pub fn new(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self {
            within: String::new(),
            code: code.into(),
            detail: detail.into(),
        }
    }

    /// The reason is this field of the value.
    #[must_use]
    pub fn within(self, field: &str) -> Self {
        Self {
            within: field.to_owned(),
            ..self
        }
    }

    /// The reason for a value of the wrong JSON type.
    #[must_use]
    pub fn wrong_type(expected: &str) -> Self {
        Self::new("wrong_type", format!("expected {expected}"))
    }
}

/// A type that a field can have.
pub trait FromField: Sized {
    /// Reads a value; in a query or a form it is always a text.
    ///
    /// # Errors
    /// Why it was refused.
    fn from_field(value: Value) -> Result<Self, Invalid>;

    /// What a missing field stands for.
    ///
    /// # Errors
    /// When there has to be one.
    fn missing() -> Result<Self, Invalid> {
        Err(Invalid::new("required", "this field is required"))
    }
}

/// A set of fields that is read as a whole; see [`request!`](crate::request).
pub trait FromFields: Sized {
    /// Reads every field that it knows.
    fn from_fields(fields: &mut Fields) -> Option<Self>;
}

/// Where the fields stand, which decides how a fault is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a JSON body or a form: named by a JSON pointer.
    Body,
    /// In the query: named as they are.
    Query,
}

/// The fields that were sent, and the faults found so far.
#[derive(Debug)]
pub struct Fields {
    place: Place,
    values: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// Reads `T` and refuses what it doesn't know.
    ///
    /// # Errors
    /// All faults at once.
    pub fn read<T: FromFields>(place: Place, values: Map<String, Value>) -> Result<T, ApiError> {
        let mut fields = Self {
            place,
            values,
            errors: Vec::new(),
        };
        let read = T::from_fields(&mut fields);
        let unknown: Vec<String> = fields.values.keys().take(16).cloned().collect();
        for name in unknown {
            fields.fault(
                &name,
                Invalid::new("unknown_field", "there is no such field"),
            );
        }
        match read {
            Some(read) if fields.errors.is_empty() => Ok(read),
            _ => Err(ApiError::invalid(fields.errors)),
        }
    }

    /// Takes one field. A fault is kept for the answer.
    pub fn take<T: FromField>(&mut self, name: &'static str) -> Option<T> {
        let read = match self.values.remove(name) {
            Some(value) => T::from_field(value),
            None => T::missing(),
        };
        read.map_err(|invalid| self.fault(name, invalid)).ok()
    }

    fn fault(&mut self, name: &str, invalid: Invalid) {
        let segment = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let mut pointer = match self.place {
            Place::Body => segment(name),
            Place::Query => name.to_owned(),
        };
        if !invalid.within.is_empty() {
            pointer += &segment(&invalid.within);
        }
        self.errors
            .push(FieldError::new(pointer, invalid.code, invalid.detail));
    }
}

/// Declares a request's fields and how they are read. Derive `ToSchema` for a
/// body or `IntoParams` for a query, for the OpenAPI document.
#[macro_export]
macro_rules! request {
    ($(#[$meta:meta])* $visibility:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug)]
        $visibility struct $name { $($(#[$field_meta])* pub $field: $type),* }

        impl $crate::edge::extract::FromFields for $name {
            fn from_fields(fields: &mut $crate::edge::extract::Fields) -> Option<Self> {
                // All fields are read before any fault counts.
                $(let $field = fields.take::<$type>(stringify!($field));)*
                Some(Self { $($field: $field?),* })
            }
        }
    };
}

/// Texts that no field takes are longer than this; each type has its own limit.
const MAX_TEXT: usize = 4096;

schemas! {
    struct AnyText, "Text": "A text.", text(0, MAX_TEXT);
}

impl FromField for String {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let Value::String(text) = value else {
            return Err(Invalid::wrong_type("a string"));
        };
        if text.len() > MAX_TEXT {
            return Err(Invalid::new(
                "too_long",
                format!("at most {MAX_TEXT} bytes"),
            ));
        }
        if text.contains('\0') {
            return Err(Invalid::new(
                "invalid_character",
                "a NUL character can't be stored",
            ));
        }
        Ok(text)
    }
}

impl FromField for Uuid {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        parsed(value, "invalid_uuid", "expected a UUID")
    }
}

impl FromField for NaiveDate {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let (code, detail) = ("invalid_date", "expected a date such as 1990-12-31");
        let date = parsed(value, code, detail)?;
        written_with_four_digits(&date)
            .then_some(date)
            .ok_or_else(|| Invalid::new(code, detail))
    }
}

impl FromField for DateTime<Utc> {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let (code, detail) = (
            "invalid_instant",
            "expected an instant such as 2030-01-31T12:00:00Z",
        );
        let at = parsed(value, code, detail)?;
        written_with_four_digits(&at)
            .then_some(at)
            .ok_or_else(|| Invalid::new(code, detail))
    }
}

/// Whether the year is one from 1 to 9999, which every store and every client
/// knows. What is read here knows a quarter of a million, and years before the
/// first.
fn written_with_four_digits(date: &impl Datelike) -> bool {
    (1..=9999).contains(&date.year())
}

impl<T: FromField> FromField for Option<T> {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        match value {
            Value::Null => Ok(None),
            value => T::from_field(value).map(Some),
        }
    }

    fn missing() -> Result<Self, Invalid> {
        Ok(None)
    }
}

impl<T: FromField> FromField for Change<T> {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        Ok(match Option::from_field(value)? {
            Some(value) => Self::Set(value),
            None => Self::Clear,
        })
    }

    fn missing() -> Result<Self, Invalid> {
        Ok(Self::Keep)
    }
}

/// Reads a text through `FromStr`.
///
/// # Errors
/// `code` and `detail` when it doesn't parse.
pub fn parsed<T: std::str::FromStr>(
    value: Value,
    code: &'static str,
    detail: &'static str,
) -> Result<T, Invalid> {
    String::from_field(value)?
        .parse()
        .map_err(|_| Invalid::new(code, detail))
}
