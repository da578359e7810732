use super::IdentifierError;

/// A user name. ASCII alone: no two of them look alike but differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Username {
    name: String,
    canonical: String,
}

impl Username {
    /// Reads a name.
    ///
    /// # Errors
    /// [`IdentifierError::Username`].
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let name = text.trim();
        let is_name = (3..=32).contains(&name.len())
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
