//! Money set aside for a payment, as the checkout uses it.

use bff::accounts::money::{
    HoldRefusal, HoldState, NewHold, capture_hold, expire_holds, get, place_hold, release_hold,
};
use chrono::TimeDelta;
use futures::future::join_all;
use http::StatusCode;
use platform::{
    clock::Clock as _, config::Millis, currency::Currency, money::Money, shutdown::Lifetime,
};
use sqlx::PgPool;
use uuid::Uuid;

use super::{Bank, Person};

/// A bank, Ann with ten dollars, and the store as the edge sees it.
struct Till {
    bank: Bank,
    ann: Person,
    pool: PgPool,
}

impl Till {
    async fn new() -> Self {
        let bank = Bank::open().await;
        let ann = bank.person("ann", 10).await;
        let pool = bank.app.settings.postgres.pool("test").unwrap();
        Self { bank, ann, pool }
    }

    fn hold(&self, cents: i64) -> NewHold {
        NewHold {
            id: self.bank.app.clock.new_id(),
            account_id: self.ann.account.parse().unwrap(),
            user_id: self.ann.id,
            amount: Money::from_minor(cents, Currency::Usd).unwrap(),
            expires_at: self.bank.app.clock.now() + TimeDelta::minutes(15),
        }
    }

    async fn place(&self, hold: &NewHold) -> Result<HoldState, HoldRefusal> {
        place_hold(&self.pool, hold, &self.bank.app.clock)
            .await
            .unwrap()
    }

    async fn capture(&self, id: Uuid) -> Option<HoldState> {
        capture_hold(&self.pool, id, "An order", &self.bank.app.clock)
            .await
            .unwrap()
    }

    async fn release(&self, id: Uuid) -> HoldState {
        release_hold(&self.pool, id, &self.bank.app.clock)
            .await
            .unwrap()
    }

    async fn expire(&self) -> u64 {
        expire_holds(&self.pool, &self.bank.app.clock, &Lifetime::new())
            .await
            .unwrap()
    }

    /// Balance and what is held. Read from the store: where a test moves the
    /// clock, Ann's token is over.
    async fn account(&self) -> (String, String) {
        let id = self.ann.account.parse().unwrap();
        let account = get(&self.pool, self.ann.id, id).await.unwrap();
        assert_eq!(account.available.plus(account.held), Ok(account.balance));
        let text = |money: Money| money.amount().to_string();
        (text(account.balance), text(account.held))
    }

    async fn expect_account(&self, balance: &str, held: &str) {
        assert_eq!(self.account().await, (balance.into(), held.into()));
    }

    async fn events(&self, hold: Uuid) -> Vec<String> {
        let mut db = self.bank.app.superuser().await;
        sqlx::query_scalar(
            "SELECT subject FROM outbox WHERE data->>'hold_id' = $1 ORDER BY position",
        )
        .bind(hold.to_string())
        .fetch_all(&mut db)
        .await
        .unwrap()
    }
}

#[tokio::test]
async fn a_payment_is_held_then_captured_once() {
    let till = Till::new().await;
    let hold = till.hold(400);
    for _ in 0..2 {
        assert_eq!(till.place(&hold).await, Ok(HoldState::Held));
        till.expect_account("10.00", "4.00").await;
    }
    for _ in 0..2 {
        assert_eq!(till.capture(hold.id).await, Some(HoldState::Captured));
        till.expect_account("6.00", "0.00").await;
    }
    // The transfer has the payment's id, and its party sees it.
    let path = format!("/v1/transfers/{}", hold.id);
    let transfer = till.bank.app.get(&path, Some(&till.ann.token)).await;
    let transfer = transfer.expect(StatusCode::OK).json();
    assert_eq!(transfer["note"], "An order");
    assert_eq!(transfer["amount"]["amount"], "4.00");
    let revenue =
        "SELECT balance::bigint FROM accounts WHERE kind = 'revenue' AND currency = 'USD'";
    assert_eq!(till.bank.count(revenue).await, 4);
    // What comes later changes nothing.
    assert_eq!(till.release(hold.id).await, HoldState::Captured);
    assert_eq!(till.place(&hold).await, Ok(HoldState::Captured));
    let expected = ["placed", "captured"].map(|what| format!("evt.accounts.hold.{what}.v1"));
    assert_eq!(till.events(hold.id).await, expected);
}

#[tokio::test]
async fn what_is_held_can_not_be_spent_until_it_is_released() {
    let till = Till::new().await;
    let bob = till.bank.person("bob", 0).await;
    let hold = till.hold(900);
    assert_eq!(till.place(&hold).await, Ok(HoldState::Held));
    let answer = till.bank.transfer(&till.ann, &bob, "1.01").await;
    assert_eq!(answer.code(), "insufficient_funds");
    assert_eq!(
        till.place(&till.hold(101)).await,
        Err(HoldRefusal::InsufficientFunds)
    );
    for _ in 0..2 {
        assert_eq!(till.release(hold.id).await, HoldState::Released);
        till.expect_account("10.00", "0.00").await;
    }
    assert_eq!(till.capture(hold.id).await, Some(HoldState::Released));
    assert_eq!(till.place(&hold).await, Ok(HoldState::Released));
    let answer = till.bank.transfer(&till.ann, &bob, "10.00").await;
    answer.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn a_release_that_comes_first_refuses_the_hold() {
    let till = Till::new().await;
    let hold = till.hold(100);
    assert_eq!(till.capture(hold.id).await, None);
    assert_eq!(till.release(hold.id).await, HoldState::Released);
    assert_eq!(till.release(hold.id).await, HoldState::Released);
    assert_eq!(till.place(&hold).await, Ok(HoldState::Released));
    assert_eq!(till.capture(hold.id).await, Some(HoldState::Released));
    till.expect_account("10.00", "0.00").await;
}

#[tokio::test]
async fn a_hold_that_nobody_captures_expires() {
    let till = Till::new().await;
    let (early, late) = (till.hold(100), till.hold(200));
    let late = NewHold {
        expires_at: late.expires_at + TimeDelta::minutes(1),
        ..late
    };
    assert_eq!(till.place(&early).await, Ok(HoldState::Held));
    assert_eq!(till.place(&late).await, Ok(HoldState::Held));
    assert_eq!(till.expire().await, 0);
    till.bank.app.advance(TimeDelta::minutes(15));
    assert_eq!(till.expire().await, 1);
    till.expect_account("10.00", "2.00").await;
    assert_eq!(till.capture(early.id).await, Some(HoldState::Expired));
    assert_eq!(till.release(early.id).await, HoldState::Expired);
    assert_eq!(till.capture(late.id).await, Some(HoldState::Captured));
    till.bank.app.advance(TimeDelta::minutes(15));
    assert_eq!(till.expire().await, 0);
    assert_eq!(
        till.events(early.id).await[1],
        "evt.accounts.hold.expired.v1"
    );
}

#[tokio::test]
async fn a_payment_is_known_by_account_and_amount() {
    let till = Till::new().await;
    let bob = till.bank.person("bob", 10).await;
    let hold = till.hold(100);
    assert_eq!(till.place(&hold).await, Ok(HoldState::Held));
    let with = |cents, account: &str| NewHold {
        id: hold.id,
        account_id: account.parse().unwrap(),
        ..till.hold(cents)
    };
    let own = till.ann.account.as_str();
    assert_eq!(till.place(&with(101, own)).await, Err(HoldRefusal::Differs));
    // Nobody holds someone else's money.
    let theirs = with(100, &bob.account);
    assert_eq!(till.place(&theirs).await, Err(HoldRefusal::NoAccount));
    let yen = till.bank.account(&till.ann.token, "JPY").await;
    let dollars_in_yen = NewHold {
        id: till.bank.app.clock.new_id(),
        ..with(100, &yen)
    };
    assert_eq!(
        till.place(&dollars_in_yen).await,
        Err(HoldRefusal::CurrencyMismatch)
    );
}

#[tokio::test]
async fn capture_release_and_expiry_at_once_end_a_hold_one_way() {
    let till = Till::new().await;
    for round in 0..12 {
        let hold = till.hold(50);
        assert_eq!(till.place(&hold).await, Ok(HoldState::Held));
        if round % 2 == 0 {
            till.bank.app.advance(TimeDelta::minutes(16));
        }
        let ends = join_all((0..8).map(async |number| match number % 3 {
            0 => till.capture(hold.id).await.unwrap(),
            1 => till.release(hold.id).await,
            _ => {
                till.expire().await;
                HoldState::Held
            }
        }))
        .await;
        let end = till.capture(hold.id).await.unwrap();
        let wrong = ends
            .iter()
            .filter(|state| **state != HoldState::Held && **state != end);
        assert_eq!(wrong.count(), 0, "{ends:?} {end:?}");
        assert_eq!(till.events(hold.id).await.len(), 2);
    }
    let (_, held) = till.account().await;
    assert_eq!(held, "0.00");
}

#[tokio::test]
async fn a_release_and_its_hold_at_once_never_leave_money_set_aside_for_good() {
    let till = Till::new().await;
    for _ in 0..12 {
        let hold = till.hold(50);
        let (placed, released) = tokio::join!(till.place(&hold), till.release(hold.id));
        assert!(matches!(placed, Ok(HoldState::Held | HoldState::Released)));
        assert_eq!(released, HoldState::Released);
        till.expect_account("10.00", "0.00").await;
    }
}

#[tokio::test]
async fn a_hold_in_a_busy_account_keeps_no_other_from_expiring() {
    // More than are looked up at once.
    const STUCK: i64 = 101;
    let till = Till::new().await;
    for _ in 0..STUCK {
        assert_eq!(till.place(&till.hold(1)).await, Ok(HoldState::Held));
    }
    let bob = till.bank.person("bob", 10).await;
    let mut db = till.bank.app.superuser().await;
    let owner = sqlx::query_scalar("SELECT user_id FROM accounts WHERE id = $1::uuid");
    let later = NewHold {
        account_id: bob.account.parse().unwrap(),
        user_id: owner.bind(&bob.account).fetch_one(&mut db).await.unwrap(),
        ..till.hold(200)
    };
    assert_eq!(till.place(&later).await, Ok(HoldState::Held));
    till.bank.app.advance(TimeDelta::minutes(16));
    // Someone has Ann's account.
    sqlx::query("BEGIN").execute(&mut db).await.unwrap();
    sqlx::query("SELECT FROM accounts WHERE id = $1::uuid FOR UPDATE")
        .bind(&till.ann.account)
        .execute(&mut db)
        .await
        .unwrap();
    let mut settings = till.bank.app.settings.postgres.clone();
    settings.lock_timeout_ms = Millis(5);
    let pool = settings.pool("test").unwrap();
    let clock = &till.bank.app.clock;
    let expired = expire_holds(&pool, clock, &Lifetime::new()).await;
    assert_eq!(expired.unwrap(), 1);
    assert_eq!(till.release(later.id).await, HoldState::Expired);
    sqlx::query("ROLLBACK").execute(&mut db).await.unwrap();
    assert_eq!(till.expire().await, STUCK as u64);
    till.expect_account("10.00", "0.00").await;
}

#[tokio::test]
async fn a_payment_that_is_begun_too_late_holds_nothing() {
    let till = Till::new().await;
    let late = NewHold {
        expires_at: till.bank.app.clock.now() - TimeDelta::seconds(1),
        ..till.hold(100)
    };
    assert_eq!(till.place(&late).await, Ok(HoldState::Expired));
    till.expect_account("10.00", "0.00").await;
    assert!(till.events(late.id).await.is_empty());
    // One that is known stands where it stands, whenever it is asked for.
    let hold = till.hold(100);
    assert_eq!(till.place(&hold).await, Ok(HoldState::Held));
    let again = NewHold {
        expires_at: late.expires_at,
        ..hold
    };
    assert_eq!(till.place(&again).await, Ok(HoldState::Held));
}
