//! Currencies and their minor units (ISO 4217).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A currency that the program keeps money in.
///
/// The same list stands in the `currencies` tables; a test compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Currency {
    /// Argentine peso
    Ars,
    /// Euro
    Eur,
    /// Pound sterling
    Gbp,
    /// Indian rupee
    Inr,
    /// Japanese yen
    Jpy,
    /// Kuwaiti dinar
    Kwd,
    /// Russian rouble
    Rub,
    /// United States dollar
    Usd,
}

/// A text that is no currency the program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown currency: expected one of ARS, EUR, GBP, INR, JPY, KWD, RUB, USD")]
pub struct UnknownCurrency;

impl Currency {
    /// Every currency, by code.
    pub const ALL: [Self; 8] = [
        Self::Ars,
        Self::Eur,
        Self::Gbp,
        Self::Inr,
        Self::Jpy,
        Self::Kwd,
        Self::Rub,
        Self::Usd,
    ];

    /// The ISO 4217 alphabetic code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ars => "ARS",
            Self::Eur => "EUR",
            Self::Gbp => "GBP",
            Self::Inr => "INR",
            Self::Jpy => "JPY",
            Self::Kwd => "KWD",
            Self::Rub => "RUB",
            Self::Usd => "USD",
        }
    }

    /// How many decimal digits an amount has.
    #[must_use]
    pub const fn minor_units(self) -> u32 {
        match self {
            Self::Jpy => 0,
            Self::Kwd => 3,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::str::FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|c| c.code() == text)
            .ok_or(UnknownCurrency)
    }
}
