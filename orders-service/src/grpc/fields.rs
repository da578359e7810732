//! Reading a message's fields: every one that doesn't fit is named at once.

use platform::currency::Currency;
use tonic_types::FieldViolation;
use uuid::Uuid;

use crate::{domain::Refused, error::Error};

/// The fields that didn't fit so far.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldViolation>);

impl Fields {
    /// Takes what was read from a field, or notes why it couldn't be.
    pub fn take<T>(&mut self, field: &str, read: Result<T, impl ToString>) -> Option<T> {
        read.map_err(|why| self.0.push(FieldViolation::new(field, why.to_string())))
            .ok()
    }

    /// The error that names them.
    #[must_use]
    pub fn refused(self) -> Error {
        Error::Invalid(self.0)
    }
}

/// An id.
pub fn id(text: &str) -> Result<Uuid, Refused> {
    // The other forms that the library reads aren't ids of this API.
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
        .ok_or(Refused("expected a UUID"))
}

/// A currency, or the default one when none is named.
pub fn currency(code: &str, default: Currency) -> Result<Currency, String> {
    match code {
        "" => Ok(default),
        _ => code
            .parse()
            .map_err(|unknown: platform::currency::UnknownCurrency| unknown.to_string()),
    }
}
