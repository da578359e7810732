use std::{fmt, net::IpAddr};

use uuid::Uuid;

/// A kind of requests that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Checking what could be guessed, passwords and codes; and beginning at a
    /// provider, of which something is remembered for minutes.
    Auth,
    /// Asking for one-time codes.
    Code,
    /// Whatever else changes something.
    Write,
    /// Reading a user's own data.
    Read,
    /// What needs nobody signed in and tells nothing to who guesses: reading what
    /// is the same for everyone, and exchanging a secret of 256 bits. A house full
    /// of people behind one address renews its sessions here.
    Public,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 5] = [
        Self::Auth,
        Self::Code,
        Self::Write,
        Self::Read,
        Self::Public,
    ];

    /// Its name: in headers, keys and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Code => "code",
            Self::Write => "write",
            Self::Read => "read",
            Self::Public => "public",
        }
    }

    /// Whether guessing is what the class limits: then addresses are counted,
    /// whoever is signed in, and nothing is leased.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        matches!(self, Self::Auth | Self::Code)
    }
}

/// Whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A signed-in user's.
    User(Uuid),
    /// Those of a client address, or of what stands for it.
    Address(IpAddr),
}

/// As in the keys in Redis.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{}", id.simple()),
            Self::Address(address) => write!(f, "address:{address}"),
        }
    }
}
