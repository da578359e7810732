//! Running again, running otherwise, and running into trouble.

use migrator::Store;
use platform::testing::Database;
use seeder::{Outcome, Parameters, SeedError};

use crate::{Stores, ask, checksums, connect, migrated, small};

#[tokio::test]
async fn the_same_parameters_make_the_same_rows_and_a_second_run_none() {
    let (one, other) = (Stores::new().await, Stores::new().await);
    assert_eq!(one.seed(&small()).await.unwrap(), Outcome::Filled);
    assert_eq!(other.seed(&small()).await.unwrap(), Outcome::Filled);
    let checksums = one.checksums().await;
    assert!(
        checksums.iter().any(|line| line.starts_with("orders 400 ")),
        "{checksums:#?}"
    );
    assert_eq!(checksums, other.checksums().await);

    assert_eq!(one.seed(&small()).await.unwrap(), Outcome::AlreadyThere);
    assert_eq!(checksums, one.checksums().await);
}

#[tokio::test]
async fn another_seed_makes_other_rows() {
    let (one, other) = (Stores::new().await, Stores::new().await);
    one.seed(&small()).await.unwrap();
    other
        .seed(&Parameters {
            seed: 43,
            ..small()
        })
        .await
        .unwrap();
    for (one, other) in one.checksums().await.iter().zip(other.checksums().await) {
        let given = ["currencies ", "order_edges "];
        let is_given = given.iter().any(|table| one.starts_with(table)) || one.contains(" 0 ");
        assert_eq!(*one == other, is_given, "{one}");
    }
}

#[tokio::test]
async fn other_parameters_are_refused_and_change_nothing() {
    let stores = Stores::new().await;
    stores.seed(&small()).await.unwrap();
    let before = stores.checksums().await;
    let error = stores
        .seed(&Parameters {
            items: 301,
            ..small()
        })
        .await
        .unwrap_err();
    let SeedError::SeededOtherwise { there, asked, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        there.contains("--items 300 ") && asked.contains("--items 301 "),
        "{error}"
    );
    assert_eq!(before, stores.checksums().await);
}

#[tokio::test]
async fn a_run_that_was_cut_off_between_the_databases_is_completed() {
    let stores = Stores::new().await;
    stores.seed(&small()).await.unwrap();
    let expected = checksums(&stores.orders).await;
    let half = Stores {
        orders: migrated(Store::Orders).await,
        ..stores
    };
    assert_eq!(half.seed(&small()).await.unwrap(), Outcome::Filled);
    assert_eq!(checksums(&half.orders).await, expected);
}

#[tokio::test]
async fn without_a_schema_nothing_is_done_and_the_migrator_is_named() {
    let empty = async || Database::create("seeder_empty", async |_| ()).await;
    let stores = Stores {
        accounts: empty().await,
        orders: empty().await,
    };
    let error = stores.seed(&small()).await.unwrap_err().to_string();
    assert!(error.contains("migrator up"), "{error}");
}

#[tokio::test]
async fn money_that_moved_before_stays_in_the_history() {
    let stores = Stores::new().await;
    let mut connection = connect(&stores.accounts).await;
    sqlx::raw_sql(
        "BEGIN;
         INSERT INTO transfers (id, debit_account_id, credit_account_id, currency, minor_units, amount, created_at)
         SELECT '00000000-0000-7000-8000-0000000000aa', w.id, r.id, 'USD', 2, 5, now()
           FROM accounts w, accounts r
          WHERE w.kind = 'world' AND r.kind = 'revenue' AND w.currency = 'USD' AND r.currency = 'USD';
         UPDATE accounts SET version = 1, balance = CASE kind WHEN 'world' THEN -5 ELSE 5 END
          WHERE kind IN ('world', 'revenue') AND currency = 'USD';
         INSERT INTO entries (transfer_id, account_id, account_version, currency, minor_units, amount, balance_after)
         SELECT '00000000-0000-7000-8000-0000000000aa', id, 1, 'USD', 2, balance, balance
           FROM accounts WHERE version = 1;
         COMMIT",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    stores.seed(&small()).await.unwrap();
    let kept: i64 = ask(
        &stores.accounts,
        "SELECT count(*) FROM entries WHERE amount = 5",
    )
    .await;
    assert!(kept >= 1);
}

#[tokio::test]
async fn the_smallest_seed_of_all_works() {
    let stores = Stores::new().await;
    let smallest = Parameters {
        users: 1,
        items: 1,
        orders: 20,
        ..small()
    };
    assert_eq!(stores.seed(&smallest).await.unwrap(), Outcome::Filled);
    assert_eq!(
        ask::<i64>(&stores.orders, "SELECT count(*) FROM orders").await,
        20
    );
}

#[tokio::test]
async fn the_schema_stays_as_it_was() {
    let constraints = "SELECT string_agg(
            format('%s %s %s %s', conrelid::regclass, conname, convalidated, pg_get_constraintdef(oid)), ';'
            ORDER BY conrelid::regclass::text, conname)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace";
    let stores = Stores::new().await;
    let databases = [&stores.accounts, &stores.orders];
    let mut before = Vec::new();
    for database in databases {
        before.push(ask::<String>(database, constraints).await);
    }
    stores.seed(&small()).await.unwrap();
    for (database, before) in databases.into_iter().zip(before) {
        assert_eq!(ask::<String>(database, constraints).await, before);
    }
}
