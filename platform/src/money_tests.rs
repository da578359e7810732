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
    for text in ["007.00", "00.50", "-01.00", "0000000000000000.00", "01"] {
        assert_eq!(usd(text), MoneyError::LeadingZeros, "{text:?}");
    }
    for text in ["0.30", "-0.30", "10.00"] {
        assert!(Money::parse(text, Currency::Usd).is_ok(), "{text:?}");
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

    #[test]
    fn shares_sum_up_and_are_within_one_minor_unit_of_their_exact_part(
        minor in -999_999_999_999_999_i64..=999_999_999_999_999,
        weights in prop::collection::vec(any::<u32>(), 1..12),
        currency in currencies(),
    ) {
        let whole = Money::from_minor(minor, currency).unwrap();
        let total: i128 = weights.iter().copied().map(i128::from).sum();
        prop_assume!(total > 0);
        let shares = whole.allocate(&weights).unwrap();
        prop_assert_eq!(shares.len(), weights.len());
        let sum = shares.iter().try_fold(Money::zero(currency), |sum, share| sum.plus(*share));
        prop_assert_eq!(sum, Ok(whole));
        for (share, weight) in shares.iter().zip(&weights) {
            // Both sides times the total, which keeps them whole.
            let exact = i128::from(minor) * i128::from(*weight);
            let got = i128::from(share.minor().unwrap()) * total;
            prop_assert!((got - exact).abs() < total, "{} of {}", share, whole);
        }
    }

    #[test]
    fn currencies_never_mix(a in any::<i32>(), b in any::<i32>(), left in currencies(), right in currencies()) {
        prop_assume!(left != right);
        let (a, b) = (
            Money::from_minor(a.into(), left).unwrap(),
            Money::from_minor(b.into(), right).unwrap(),
        );
        let refused = Err(MoneyError::CurrencyMismatch { left, right });
        prop_assert_eq!(a.plus(b), refused);
        prop_assert_eq!(a.minus(b), refused);
    }
}

#[test]
fn what_is_left_goes_to_the_largest_remainders_and_the_first_among_equals() {
    let split = |minor, weights: &[u32]| -> Vec<i64> {
        let whole = Money::from_minor(minor, Currency::Usd).unwrap();
        let shares = whole.allocate(weights).unwrap().into_iter();
        shares.map(|share| share.minor().unwrap()).collect()
    };
    assert_eq!(split(100, &[1, 1, 1]), [34, 33, 33]);
    assert_eq!(split(5, &[3, 7]), [2, 3]);
    assert_eq!(split(-100, &[1, 1, 1]), [-34, -33, -33]);
    assert_eq!(split(7, &[0, 1, 0]), [0, 7, 0]);
    assert_eq!(split(0, &[1, 2]), [0, 0]);
    let some = Money::from_minor(1, Currency::Usd).unwrap();
    for nobody in [&[][..], &[0, 0]] {
        assert_eq!(some.allocate(nobody), Err(MoneyError::NoWeight));
    }
}

#[test]
fn what_passes_the_limit_is_an_error_and_never_wraps() {
    for currency in Currency::ALL {
        let unit = Money::new(Decimal::new(1, currency.minor_units()), currency).unwrap();
        let most = Money::new(LIMIT - unit.amount(), currency).unwrap();
        let least = Money::zero(currency).minus(most).unwrap();
        assert_eq!(most.plus(unit), Err(MoneyError::TooLarge));
        assert_eq!(least.minus(unit), Err(MoneyError::TooLarge));
        assert_eq!(most.times(2), Err(MoneyError::TooLarge));
        assert_eq!(most.times(u32::MAX), Err(MoneyError::TooLarge));
        assert_eq!(Money::new(LIMIT, currency), Err(MoneyError::TooLarge));
        assert_eq!(most.times(1), Ok(most));
        let shares = most.allocate(&[u32::MAX, u32::MAX]).unwrap();
        assert_eq!(shares[0].plus(shares[1]), Ok(most));
    }
}
