use super::IdentifierError;

/// A user name. ASCII alone: no two of them look alike but differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Username {
    name: String,
    canonical: String,
}

impl Username {
    /// The fewest characters of one.
    pub const MIN: usize = 3;
    /// The most characters of one.
    pub const MAX: usize = 32;
    /// What it is made of, besides that.
    pub const PATTERN: &str = "^[A-Za-z][A-Za-z0-9._-]*$";

    /// Reads a name.
    ///
    /// # Errors
    /// [`IdentifierError::Username`].
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let name = text.trim();
        let is_name = (Self::MIN..=Self::MAX).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !is_name {
            return Err(IdentifierError::Username);
        }
        Ok(Self {
            name: name.to_owned(),
            canonical: name.to_ascii_lowercase(),
        })
    }

    /// As its owner wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The form that is unique.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}
