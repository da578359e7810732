use platform::{currency::Currency, money::Money, testing::postgres_url};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use rust_decimal::Decimal;
use sqlx::{Connection as _, PgConnection};

#[test]
fn every_amount_survives_a_column_of_numeric() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut connection = runtime.block_on(async {
        let url = postgres_url();
        let mut connection = PgConnection::connect(url.expose().as_str()).await.unwrap();
        sqlx::raw_sql("CREATE TEMPORARY TABLE kept (amount numeric NOT NULL)")
            .execute(&mut connection)
            .await
            .unwrap();
        connection
    });
    let input = (
        -99_999_999_999_999_999_i64..=99_999_999_999_999_999,
        prop::sample::select(Currency::ALL.to_vec()),
    );
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    let connection = std::cell::RefCell::new(&mut connection);
    let survives = |(minor, currency)| {
        let Ok(money) = Money::from_minor(minor, currency) else {
            return Ok(());
        };
        let kept: (Decimal, bool) = runtime
            .block_on(
                sqlx::query_as(
                    "WITH kept AS (INSERT INTO kept VALUES ($1) RETURNING amount)
                     SELECT amount, amount = $2::text::numeric FROM kept",
                )
                .bind(money.amount())
                .bind(money.amount().to_string())
                .fetch_one(&mut **connection.borrow_mut()),
            )
            .unwrap();
        prop_assert_eq!(Money::new(kept.0, currency), Ok(money));
        prop_assert!(kept.1, "PostgreSQL reads what is written the same");
        Ok(())
    };
    runner.run(&input, survives).unwrap();
}
