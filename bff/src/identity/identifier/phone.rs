use std::{fmt, str::FromStr};

use super::IdentifierError;

/// A phone number in E.164.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone {
    number: String,
    country_code: u16,
    region: Option<Region>,
}

impl Phone {
    /// What all of them are like.
    pub const PATTERN: &str = r"^\+[1-9][0-9]{6,14}$";

    /// Reads a number; one without `+` is one of `region`.
    ///
    /// # Errors
    /// [`IdentifierError::Phone`].
    pub fn parse(text: &str, region: Region) -> Result<Self, IdentifierError> {
        let text = text.trim();
        // A region's prefix would be cut from a foreign number, too: +49 151… is
        // +49 51… without the 1 of the United States.
        let region = (!text.starts_with('+')).then_some(region.0);
        let number = phonenumber::parse(region, text)
            .ok()
            .filter(phonenumber::PhoneNumber::is_valid)
            .ok_or(IdentifierError::Phone)?;
        let e164 = number.format().mode(phonenumber::Mode::E164).to_string();
        Ok(Self::of(&number, e164))
    }

    /// Reads a number as it is stored.
    ///
    /// # Errors
    /// [`IdentifierError::Phone`].
    pub fn stored(e164: &str) -> Result<Self, IdentifierError> {
        let number = phonenumber::parse(None, e164).map_err(|_| IdentifierError::Phone)?;
        Ok(Self::of(&number, e164.to_owned()))
    }

    fn of(number: &phonenumber::PhoneNumber, e164: String) -> Self {
        Self {
            number: e164,
            country_code: number.code().value(),
            region: number.country().id().map(Region),
        }
    }

    /// `+14155550123`
    #[must_use]
    pub fn e164(&self) -> &str {
        &self.number
    }

    /// The country's calling code, such as 44. Several countries may share one.
    #[must_use]
    pub fn country_code(&self) -> u16 {
        self.country_code
    }

    /// The country. Numbers that belong to none have none.
    #[must_use]
    pub fn region(&self) -> Option<Region> {
        self.region
    }

    /// The number as it is dialled within its country, without a leading 0.
    #[must_use]
    pub fn national(&self) -> &str {
        let calling_code = self.country_code.to_string().len();
        &self.number[1 + calling_code..]
    }
}

/// A country, by its two letters in ISO 3166.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region(phonenumber::country::Id);

/// A text that names no country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a country such as US")]
pub struct UnknownRegion;

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| UnknownRegion)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}
