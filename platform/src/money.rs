//! Exact amounts of money in one currency.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeStruct};

use crate::currency::{Currency, UnknownCurrency};

/// Amounts are below this in every currency, as in the databases' checks.
pub const LIMIT: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0);

/// What an amount is like as a text, in whichever currency.
pub const PATTERN: &str = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,3})?$";

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
    /// Written in a longer way than it has to be.
    #[error("expected no zeros at the beginning, such as \"12.30\" or \"0.30\"")]
    LeadingZeros,
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
    /// Nobody to allocate an amount to.
    #[error("there is no weight to allocate by")]
    NoWeight,
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
    /// exponent, no needless zeros, no sign but a leading minus.
    ///
    /// # Errors
    /// [`MoneyError::NotDecimal`], [`MoneyError::LeadingZeros`],
    /// [`MoneyError::MinorUnits`] or [`MoneyError::TooLarge`].
    pub fn parse(amount: &str, currency: Currency) -> Result<Self, MoneyError> {
        let expected = currency.minor_units();
        let (whole, minor) = amount.split_once('.').unwrap_or((amount, ""));
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if digits.is_empty() || !all_digits(digits) || !all_digits(minor) {
            return Err(MoneyError::NotDecimal);
        }
        // One amount is written in one way.
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(MoneyError::LeadingZeros);
        }
        if minor.len() != expected as usize || (expected == 0 && amount.contains('.')) {
            return Err(MoneyError::MinorUnits { currency, expected });
        }
        if digits.len() > 15 {
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

    /// Splits the amount by weights, so that the shares sum up to it. Each is
    /// within one minor unit of its exact part; what rounding down leaves goes to
    /// the largest remainders, of equal ones to the first.
    ///
    /// # Errors
    /// [`MoneyError::NoWeight`], when there is nobody to take it: all weights are
    /// zero, or there is none.
    pub fn allocate(self, weights: &[u32]) -> Result<Vec<Self>, MoneyError> {
        let total: i128 = weights.iter().copied().map(i128::from).sum();
        if total == 0 {
            return Err(MoneyError::NoWeight);
        }
        // Below 10^18 by LIMIT, so that no product with a weight overflows.
        let (units, sign) = (
            self.amount.mantissa().abs(),
            self.amount.mantissa().signum(),
        );
        let exact = |weight: &u32| units * i128::from(*weight);
        let mut shares: Vec<i128> = weights.iter().map(|weight| exact(weight) / total).collect();
        let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
        by_remainder.sort_by_key(|place| std::cmp::Reverse(exact(&weights[*place]) % total));
        let left = units - shares.iter().sum::<i128>();
        let more = usize::try_from(left).expect("less than a unit for each weight");
        for place in &by_remainder[..more] {
            shares[*place] += 1;
        }
        let scale = self.currency.minor_units();
        let shares = shares.into_iter();
        shares
            .map(|share| {
                Self::new(
                    Decimal::from_i128_with_scale(sign * share, scale),
                    self.currency,
                )
            })
            .collect()
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
#[path = "money_tests.rs"]
mod tests;
