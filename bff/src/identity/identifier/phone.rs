use super::IdentifierError;

/// A phone number in E.164.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone {
    number: String,
    country_code: u16,
}

impl Phone {
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
        let country_code = number.code().value();
        let number = number.format().mode(phonenumber::Mode::E164).to_string();
        Ok(Self {
            number,
            country_code,
        })
    }

    /// Reads a number as it is stored.
    ///
    /// # Errors
    /// [`IdentifierError::Phone`].
    pub fn stored(e164: &str) -> Result<Self, IdentifierError> {
        let number = phonenumber::parse(None, e164).map_err(|_| IdentifierError::Phone)?;
        Ok(Self {
            number: e164.to_owned(),
            country_code: number.code().value(),
        })
    }

    /// `+14155550123`
    #[must_use]
    pub fn e164(&self) -> &str {
        &self.number
    }

    /// The country's calling code, such as 44.
    #[must_use]
    pub fn country_code(&self) -> u16 {
        self.country_code
    }
}

/// The country whose form a phone number without `+` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region(phonenumber::country::Id);

impl std::str::FromStr for Region {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| IdentifierError::Phone)
    }
}
