//! What people are known by. Each type holds only what was checked, and one
//! canonical form by which two spellings are the same.

mod email;
mod phone;
#[cfg(test)]
mod tests;
mod username;

use std::fmt;

use platform::config::Secret;

pub use email::Email;
pub use phone::{Phone, Region, UnknownRegion};
pub use username::Username;

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Not an e-mail address that a message could be sent to.
    #[error("expected an e-mail address such as ann@example.com")]
    Email,
    /// Not a phone number that exists.
    #[error("expected a phone number such as +14155550123")]
    Phone,
    /// Not a user name.
    #[error("expected 3 to 32 of a-z, 0-9, '.', '_' and '-', beginning with a letter")]
    Username,
    /// Neither an e-mail address nor a phone number.
    #[error("expected an e-mail address or a phone number")]
    Address,
}

/// As much of a domain stands in a masked address, in characters: the trail takes
/// a subject of 128.
const MASKED_DOMAIN: usize = 64;

/// Where a one-time code can be sent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// By mail.
    Email(Email),
    /// By SMS.
    Phone(Phone),
}

impl Address {
    /// Reads an e-mail address or a phone number.
    ///
    /// # Errors
    /// Which of both it isn't.
    pub fn parse(text: &str, region: Region) -> Result<Self, IdentifierError> {
        if text.contains('@') {
            Email::parse(text).map(Self::Email)
        } else if text.chars().any(|c| c.is_ascii_digit()) {
            Phone::parse(text, region).map(Self::Phone)
        } else {
            Err(IdentifierError::Address)
        }
    }

    /// The form that is unique.
    #[must_use]
    pub fn canonical(&self) -> &str {
        match self {
            Self::Email(email) => email.canonical(),
            Self::Phone(phone) => phone.e164(),
        }
    }

    /// `email` or `phone`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Phone(_) => "phone",
        }
    }

    /// What everyone may know who knows the address.
    #[must_use]
    pub fn known(&self) -> Vec<String> {
        let whole = self.canonical();
        let part = match self {
            Self::Email(_) => whole.split('@').next().unwrap_or_default(),
            // Also within the number with its calling code, and with a leading 0.
            Self::Phone(phone) => phone.national(),
        };
        vec![part.to_owned(), whole.to_owned()]
    }

    /// What may stand in logs and the audit trail: `a***@example.com`, `+1***23`.
    /// Of a long domain, its end.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Email(email) => {
                let (local, domain) = email.address().split_once('@').unwrap_or_default();
                let first = local.get(..1).unwrap_or_default();
                match domain.len().checked_sub(MASKED_DOMAIN) {
                    None | Some(0) => format!("{first}***@{domain}"),
                    Some(cut) => format!("{first}***@***{}", &domain[cut..]),
                }
            }
            Self::Phone(phone) => {
                let end = phone.e164().len().saturating_sub(2);
                format!("+{}***{}", phone.country_code(), &phone.e164()[end..])
            }
        }
    }
}

/// What a person signs in with.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// An e-mail address or phone number.
    Address(Address),
    /// A user name.
    Username(Username),
}

impl Identifier {
    /// Reads whichever of the three it is: user names begin with a letter and
    /// hold no `@`, so none is taken for another.
    ///
    /// # Errors
    /// Why it is none of them.
    pub fn parse(text: &str, region: Region) -> Result<Self, IdentifierError> {
        let text = text.trim();
        if text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains('@') {
            Username::parse(text).map(Self::Username)
        } else {
            Address::parse(text, region).map(Self::Address)
        }
    }

    /// The form that is unique.
    #[must_use]
    pub fn canonical(&self) -> &str {
        match self {
            Self::Address(address) => address.canonical(),
            Self::Username(username) => username.canonical(),
        }
    }

    /// What may stand in logs and the audit trail.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Address(address) => address.masked(),
            Self::Username(name) => format!("{}***", name.as_str().get(..1).unwrap_or_default()),
        }
    }
}

/// Whether a character has no place in a name: controls, and marks that change the
/// direction or the line of what stands around it.
#[must_use]
pub fn is_unfit_for_names(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Addresses show themselves masked, so that no log holds a whole one.
macro_rules! masked_debug {
    ($($type:ty => $mask:expr),* $(,)?) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mask: fn(&Self) -> String = $mask;
                f.write_str(&mask(self))
            }
        }
    )*};
}

masked_debug! {
    Email => |email| Address::Email(email.clone()).masked(),
    Phone => |phone| Address::Phone(phone.clone()).masked(),
    Address => Self::masked,
    Identifier => Self::masked,
}

/// A password as it was sent, in Unicode's NFC: the same characters give the
/// same password, whatever keyboard they came from.
#[derive(Debug, Clone)]
pub struct Password(Secret);

impl Password {
    /// None, new or not, is longer than this many bytes before it is looked at: 128
    /// characters of any script, also taken apart into NFD.
    pub const MAX_BYTES: usize = 4096;

    /// Takes a password; `None` when it is too long to be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        use unicode_normalization::UnicodeNormalization as _;

        (text.len() <= Self::MAX_BYTES).then(|| Self(Secret::new(text.nfc().collect::<String>())))
    }

    /// The password itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}
