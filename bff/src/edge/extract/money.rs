//! The types of money, as fields of a request.

use platform::{
    currency::Currency,
    money::{Money, MoneyError},
};
use serde_json::Value;

use super::fields::{FromField, Invalid};

/// An amount that can go somewhere: more than nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub Money);

impl FromField for Amount {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let Value::Object(mut fields) = value else {
            return Err(Invalid::wrong_type(
                "an object such as {\"amount\":\"12.30\",\"currency\":\"USD\"}",
            ));
        };
        let currency = fields
            .remove("currency")
            .map_or_else(Currency::missing, Currency::from_field)
            .map_err(|invalid| invalid.within("currency"))?;
        let amount = fields
            .remove("amount")
            .map_or_else(String::missing, String::from_field)
            .and_then(|amount| Money::parse(&amount, currency).map_err(refused))
            .and_then(|money| match money {
                money if money.amount() > rust_decimal::Decimal::ZERO => Ok(money),
                _ => Err(Invalid::new("not_positive", "expected more than zero")),
            })
            .map_err(|invalid| invalid.within("amount"))?;
        match fields.keys().next() {
            Some(unknown) => {
                Err(Invalid::new("unknown_field", "there is no such field").within(unknown))
            }
            None => Ok(Self(amount)),
        }
    }
}

fn refused(error: MoneyError) -> Invalid {
    let code = match error {
        MoneyError::NotDecimal => "not_decimal",
        MoneyError::LeadingZeros => "leading_zeros",
        MoneyError::MinorUnits { .. } => "minor_units",
        MoneyError::TooLarge => "too_large",
        // Of these only the second comes of reading an amount.
        MoneyError::CurrencyMismatch { .. } | MoneyError::Currency(_) | MoneyError::NoWeight => {
            "unknown_currency"
        }
    };
    Invalid::new(code, error.to_string())
}
