//! What people are known by. Each type holds only what was checked, and one
//! canonical form by which two spellings are the same.

mod email;
mod phone;
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

/// No password, new or not, is longer than this many bytes before it is looked
/// at: 128 characters of any script, also taken apart into NFD.
const MAX_PASSWORD_BYTES: usize = 4096;

impl Password {
    /// Takes a password; `None` when it is too long to be one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        use unicode_normalization::UnicodeNormalization as _;

        (text.len() <= MAX_PASSWORD_BYTES)
            .then(|| Self(Secret::new(text.nfc().collect::<String>())))
    }

    /// The password itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Region {
        "US".parse().unwrap()
    }

    #[test]
    fn spellings_of_one_address_are_one() {
        let canonical = |text: &str| Email::parse(text).unwrap().canonical().to_owned();
        assert_eq!(canonical(" Ann@Example.COM "), "ann@example.com");
        assert_eq!(
            canonical("ann@bücher.example"),
            canonical("ANN@xn--bcher-kva.example")
        );
    }

    #[test]
    fn what_no_mail_could_reach_is_refused() {
        for text in [
            "",
            "@",
            "a@",
            "@b.c",
            "a b@c.d",
            "a@b",
            "a@b@c.d",
            "ann@exa mple.com",
            "\"a\"@b.co",
            "аnn@example.com",
            "a@b.c\r\nBcc: x@y.z",
        ] {
            assert_eq!(
                Email::parse(text).unwrap_err(),
                IdentifierError::Email,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_number_with_its_country_is_what_it_says_whatever_the_region() {
        for number in [
            "+4915112345678",
            "+495112345678",
            "+79161234567",
            "+442079460123",
            "+390612345678",
            "+14155552671",
            "+33123456789",
            "+919876543210",
            "+819012345678",
            "+5491123456789",
            "+861012345678",
            "+3612345678",
        ] {
            for region in ["US", "DE", "RU", "HU"] {
                let phone = Phone::parse(number, region.parse().unwrap());
                let e164 = phone.map(|phone| phone.e164().to_owned());
                assert_eq!(e164.as_deref(), Ok(number), "{region}");
            }
        }
    }

    #[test]
    fn phones_become_e164() {
        let e164 = |text: &str| Phone::parse(text, region()).map(|p| p.e164().to_owned());
        assert_eq!(e164("(415) 555-2671").unwrap(), "+14155552671");
        assert_eq!(e164("+44 20 7946 0958").unwrap(), "+442079460958");
        assert!(e164("12").is_err());
        assert!(e164("+999 1234567").is_err());
    }

    #[test]
    fn each_identifier_is_taken_for_what_it_is() {
        let parse = |text: &str| Identifier::parse(text, region());
        assert!(matches!(parse("ann"), Ok(Identifier::Username(_))));
        assert!(matches!(
            parse("ann@example.com"),
            Ok(Identifier::Address(Address::Email(_)))
        ));
        assert!(matches!(
            parse("+14155552671"),
            Ok(Identifier::Address(Address::Phone(_)))
        ));
        assert!(parse("a").is_err());
        assert!(parse("").is_err());
    }

    #[test]
    fn nothing_shows_a_whole_address() {
        let address = Address::parse("ann.lee@example.com", region()).unwrap();
        assert_eq!(format!("{address:?}"), "a***@example.com");
        let phone = Address::parse("+14155552671", region()).unwrap();
        assert_eq!(format!("{phone:?}"), "+1***71");
    }

    #[test]
    fn one_password_typed_on_two_keyboards_is_one() {
        let composed = Password::new("caf\u{e9} au lait").unwrap();
        let combining = Password::new("cafe\u{301} au lait").unwrap();
        assert_eq!(composed.expose(), combining.expose());
    }
}
