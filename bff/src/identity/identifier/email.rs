use super::IdentifierError;

/// An e-mail address.
///
/// The domain is lower-cased and in its IDNA form. The local part is ASCII
/// (what every mail server takes, and free of look-alikes) and compared
/// without regard to case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email {
    address: String,
    canonical: String,
}

impl Email {
    /// The most characters of one (RFC 5321, section 4.5.3.1.3).
    pub const MAX: usize = 254;

    /// Reads an address.
    ///
    /// # Errors
    /// [`IdentifierError::Email`].
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(IdentifierError::Email)?;
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| IdentifierError::Email)?;
        let address = format!("{local}@{domain}");
        let is_deliverable = local.is_ascii()
            && !local.starts_with('"')
            && domain.contains('.')
            && address.len() <= Self::MAX
            && lettre::Address::new(local, &domain).is_ok();
        if !is_deliverable {
            return Err(IdentifierError::Email);
        }
        let canonical = address.to_ascii_lowercase();
        Ok(Self { address, canonical })
    }

    /// As messages are addressed.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The form that is unique.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}
