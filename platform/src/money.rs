//! Exact amounts of money in one currency.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeStruct};

use crate::currency::{Currency, UnknownCurrency};

/// Amounts are below this in every currency, as in the databases' checks.
pub const LIMIT: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0);

/// An amount in one currency, with exactly that currency's minor digits.
///
/// On the wire: `{"amount":"12.30","currency":"USD"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

/// Why an amount was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a plain decimal number.
    #[error("expected a decimal number such as \"12.30\"")]
    NotDecimal,
    /// The wrong number of digits after the point.
    #[error("expected exactly {expected} digits after the decimal point for {currency}")]
    MinorUnits {
        /// The currency.
        currency: Currency,
        /// Its minor digits.
        expected: u32,
    },
    /// Beyond [`LIMIT`].
    #[error("the amount is too large")]
    TooLarge,
    /// Two currencies in one operation.
    #[error("{left} and {right} can't be combined")]
    CurrencyMismatch {
        /// The currency on the left.
        left: Currency,
        /// The currency on the right.
        right: Currency,
    },
    /// No currency that the program knows.
    #[error(transparent)]
    Currency(#[from] UnknownCurrency),
}

impl Money {
    /// Nothing, in a currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self {
            amount: Decimal::new(0, currency.minor_units()),
            currency,
        }
    }

    /// From a stored decimal, which may carry fewer or more trailing zeros.
    ///
    /// # Errors
    /// When the value has more significant digits than the currency, or is
    /// beyond [`LIMIT`].
    pub fn new(amount: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let expected = currency.minor_units();
        if amount.abs() >= LIMIT {
            return Err(MoneyError::TooLarge);
        }
        let mut amount = amount.normalize();
        if amount.scale() > expected {
            return Err(MoneyError::MinorUnits { currency, expected });
        }
        amount.rescale(expected);
        Ok(Self { amount, currency })
    }

    /// Reads what a client sent: exactly the currency's minor digits, no
    /// exponent, no sign but a leading minus.
    ///
    /// # Errors
    /// [`MoneyError::NotDecimal`], [`MoneyError::MinorUnits`] or
    /// [`MoneyError::TooLarge`].
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        let expected = currency.minor_units();
        let (whole, minor) = amount.split_once('.').unwrap_or((amount, ""));
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if digits.is_empty() || !all_digits(digits) || !all_digits(minor) {
            return Err(MoneyError::NotDecimal);
        }
        if minor.len() != expected as usize || (expected == 0 && amount.contains('.')) {
            return Err(MoneyError::MinorUnits { currency, expected });
        }
        if digits.trim_start_matches('0').len() > 15 {
            return Err(MoneyError::TooLarge);
        }
        let amount = Decimal::from_str_exact(amount).map_err(|_| MoneyError::NotDecimal)?;
        // "-0.00" is zero.
        Self::new(amount + Decimal::ZERO, currency)
    }

    /// From an integer number of minor units, as payment providers count.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`].
    pub fn from_minor(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        Self::new(Decimal::new(minor, currency.minor_units()), currency)
    }

    /// As an integer number of minor units.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`] when an `i64` can't hold it.
    pub fn minor(self) -> Result<i64, MoneyError> {
        let mut amount = self.amount;
        amount.rescale(self.currency.minor_units());
        i64::try_from(amount.mantissa()).map_err(|_| MoneyError::TooLarge)
    }

    /// The number, as the stores keep it.
    #[must_use]
    pub fn amount(self) -> Decimal {
        self.amount
    }

    /// The currency.
    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::TooLarge`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::new(self.amount + other.amount, self.currency)
    }

    /// The difference, which may be negative.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::TooLarge`].
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::new(self.amount - other.amount, self.currency)
    }

    /// This amount `count` times.
    ///
    /// # Errors
    /// [`MoneyError::TooLarge`].
    pub fn times(self, count: u32) -> Result<Self, MoneyError> {
        let amount = self
            .amount
            .checked_mul(Decimal::from(count))
            .ok_or(MoneyError::TooLarge)?;
        Self::new(amount, self.currency)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::CurrencyMismatch {
            left: self.currency,
            right: other.currency,
        })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Money", 2)?;
        out.serialize_field("amount", &self.amount)?;
        out.serialize_field("currency", self.currency.code())?;
        out.end()
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire {
            amount: String,
            currency: String,
        }
        let wire = Wire::deserialize(deserializer)?;
        let currency = wire.currency.parse().map_err(de::Error::custom)?;
        Self::parse(&wire.amount, currency).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currencies() -> impl Strategy<Value = Currency> {
        prop::sample::select(Currency::ALL.to_vec())
    }

    #[test]
    fn the_limit_is_that_of_the_databases() {
        assert_eq!(LIMIT, Decimal::from_scientific("1e15").unwrap());
    }

    #[test]
    fn what_is_no_exact_amount_is_refused() {
        let usd = |text: &str| Money::parse(text, Currency::Usd).unwrap_err();
        for text in [
            "", "-", ".", "NaN", "Infinity", "1e3", "+1.00", " 1.00", "1,00", "١.00",
        ] {
            assert_eq!(usd(text), MoneyError::NotDecimal, "{text:?}");
        }
        for text in ["1", "1.0", "0.001", "1."] {
            assert!(
                matches!(usd(text), MoneyError::MinorUnits { .. }),
                "{text:?}"
            );
        }
        assert_eq!(usd("1000000000000000.00"), MoneyError::TooLarge);
        assert_eq!(usd(&format!("{}.00", "9".repeat(40))), MoneyError::TooLarge);
        assert!(Money::parse("1.5", Currency::Jpy).is_err());
        assert_eq!(
            Money::parse("-0.00", Currency::Usd).unwrap(),
            Money::zero(Currency::Usd)
        );
        assert_eq!(
            Money::parse("-0.00", Currency::Usd).unwrap().to_string(),
            "0.00 USD"
        );
    }

    proptest! {
        #[test]
        fn every_amount_survives_text_json_and_minor_units(
            minor in -99_999_999_999_999_999_i64..=99_999_999_999_999_999,
            currency in currencies(),
        ) {
            let Ok(money) = Money::from_minor(minor, currency) else { return Ok(()) };
            prop_assert_eq!(money.minor().unwrap(), minor);
            prop_assert_eq!(Money::parse(&money.amount().to_string(), currency).unwrap(), money);
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }

        #[test]
        fn sums_and_differences_undo_each_other(a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000, currency in currencies()) {
            let a = Money::from_minor(a, currency).unwrap();
            let b = Money::from_minor(b, currency).unwrap();
            prop_assert_eq!(a.plus(b).unwrap().minus(b).unwrap(), a);
        }
    }
}
