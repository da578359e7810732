//! What a US cent is worth elsewhere. Round figures: nothing here follows a
//! real exchange.

use platform::{currency::Currency, money::Money};

/// Minor units of `currency` for a thousand US cents.
const fn per_thousand_cents(currency: Currency) -> i64 {
    match currency {
        Currency::Usd => 1_000,
        Currency::Eur => 920,
        Currency::Gbp => 790,
        Currency::Inr => 84_000,
        Currency::Jpy => 1_500,
        Currency::Ars => 980_000,
        Currency::Kwd => 3_070,
        Currency::Rub => 92_000,
    }
}

/// As many minor units of `currency` as `cents` of a US dollar.
pub(crate) fn minor(currency: Currency, cents: i64) -> i64 {
    cents * per_thousand_cents(currency) / 1_000
}

/// A price as shops of that currency write it.
pub(crate) fn shelf_price(currency: Currency, cents: i64) -> Money {
    let exact = minor(currency, cents);
    let (step, less) = match currency {
        Currency::Usd | Currency::Eur | Currency::Gbp => (100, 1),
        Currency::Inr | Currency::Rub => (1_000, 100),
        Currency::Ars => (100_000, 10_000),
        Currency::Jpy => (100, 20),
        Currency::Kwd => (250, 0),
    };
    of((exact / step + 1) * step - less, currency)
}

/// That many minor units as money.
pub(crate) fn of(minor: i64, currency: Currency) -> Money {
    Money::from_minor(minor, currency).expect("made amounts are far below the limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_look_like_prices() {
        let shown = Currency::ALL.map(|currency| shelf_price(currency, 1_234).to_string());
        let expected = [
            "12900.00 ARS",
            "11.99 EUR",
            "9.99 GBP",
            "1039.00 INR",
            "1880 JPY",
            "4.000 KWD",
            "1139.00 RUB",
            "12.99 USD",
        ];
        assert_eq!(shown, expected);
    }
}
