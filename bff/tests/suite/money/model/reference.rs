use bff::accounts::money::{
    HoldState, NewHold, capture_hold, expire_holds, place_hold, release_hold,
};
use chrono::TimeDelta;
use http::{Method, StatusCode};
use platform::{clock::Clock as _, currency::Currency, money::Money, shutdown::Lifetime};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::{Command, PEOPLE};
use crate::{
    helpers::Answer,
    money::{Bank, Person, transfer, unique, usd},
};

/// The reference: whole cents, one thing after the other.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Account {
    balance: i64,
    held: i64,
    closed: bool,
}

#[derive(Debug, Clone)]
struct Held {
    id: Uuid,
    of: usize,
    cents: i64,
    state: HoldState,
}

/// The system, and what it should be like.
pub(super) struct Model<'a> {
    bank: &'a Bank,
    pool: &'a PgPool,
    people: Vec<Person>,
    accounts: [Account; PEOPLE],
    holds: Vec<Held>,
    /// Transfers that were made: key, body, answer.
    made: Vec<(usize, String, serde_json::Value, Vec<u8>)>,
}

impl<'a> Model<'a> {
    pub(super) async fn new(bank: &'a Bank, pool: &'a PgPool) -> Self {
        let mut people = Vec::new();
        for _ in 0..PEOPLE {
            let person = bank.person(&unique(), 0).await;
            people.push(person);
        }
        Self {
            bank,
            pool,
            people,
            accounts: [Account::default(); PEOPLE],
            holds: Vec::new(),
            made: Vec::new(),
        }
    }

    pub(super) async fn play(&mut self, command: &Command) {
        match *command {
            Command::Deposit { to, cents } => self.deposit(to, cents).await,
            Command::Transfer { from, to, cents } => self.transfer(from, to, cents).await,
            Command::Repeat { key } => self.repeat(key).await,
            Command::Hold { of, cents } => {
                let hold = self.new_hold(of, cents);
                self.place(hold).await;
            }
            Command::Capture { hold } => self.end(hold, HoldState::Captured).await,
            Command::Release { hold } => self.end(hold, HoldState::Released).await,
            Command::Expire { hold } => self.end(hold, HoldState::Expired).await,
            Command::ReleaseUnknown { of, cents } => {
                let hold = self.new_hold(of, cents);
                let state = release_hold(self.pool, hold.id, &self.bank.app.clock).await;
                assert_eq!(state.unwrap(), HoldState::Released);
                // The hold that comes late is refused.
                let placed = place_hold(self.pool, &hold, &self.bank.app.clock).await;
                assert_eq!(placed.unwrap(), Ok(HoldState::Released));
            }
            Command::Close { of } => self.close(of).await,
        }
    }

    async fn deposit(&mut self, to: usize, cents: i64) {
        let path = format!("/v1/admin/accounts/{}/deposit", self.people[to].account);
        let body = json!({ "amount": dollars(cents), "reason": "model" });
        let answer = self
            .bank
            .keyed(&path, &self.bank.admin, &unique(), &body)
            .await;
        let account = &mut self.accounts[to];
        if account.closed {
            assert_eq!(answer.code(), "not_found");
        } else {
            answer.expect(StatusCode::CREATED);
            account.balance += cents;
        }
    }

    async fn transfer(&mut self, from: usize, to: usize, cents: i64) {
        let (key, mut body) = (
            unique(),
            transfer(&self.people[from], &self.people[to], "0.01"),
        );
        body["amount"] = dollars(cents);
        let token = &self.people[from].token;
        let answer = self.bank.keyed("/v1/transfers", token, &key, &body).await;
        let (debit, credit) = (self.accounts[from], self.accounts[to]);
        let expected = if from == to {
            Some("same_account")
        } else if debit.closed {
            Some("account_closed")
        } else if credit.closed {
            Some("not_found")
        } else if debit.balance - debit.held < cents {
            Some("insufficient_funds")
        } else {
            None
        };
        match expected {
            Some(code) => assert_eq!(answer.code(), code),
            None => {
                let answer = answer.expect(StatusCode::CREATED);
                self.accounts[from].balance -= cents;
                self.accounts[to].balance += cents;
                self.made.push((from, key, body, answer.bytes));
            }
        }
    }

    async fn repeat(&self, number: usize) {
        if self.made.is_empty() {
            return;
        }
        let (from, key, body, first) = &self.made[number % self.made.len()];
        let token = &self.people[*from].token;
        let answer = self.bank.keyed("/v1/transfers", token, key, body).await;
        assert_eq!(&answer.expect(StatusCode::CREATED).bytes, first);
    }

    fn new_hold(&self, of: usize, cents: i64) -> NewHold {
        NewHold {
            id: self.bank.app.clock.new_id(),
            account_id: self.people[of].account.parse().unwrap(),
            user_id: self.people[of].id,
            amount: Money::from_minor(cents, Currency::Usd).unwrap(),
            // So long that only `expire`, which looks from far ahead, ends it.
            expires_at: self.bank.app.clock.now() + TimeDelta::days(1),
        }
    }

    async fn place(&mut self, new: NewHold) {
        let of = self.people.iter().position(|owner| owner.id == new.user_id);
        let (of, cents) = (of.unwrap(), new.amount.minor().unwrap());
        let placed = place_hold(self.pool, &new, &self.bank.app.clock).await;
        let account = &mut self.accounts[of];
        let fits = !account.closed && account.balance - account.held >= cents;
        assert_eq!(placed.unwrap().is_ok(), fits);
        if fits {
            account.held += cents;
            self.holds.push(Held {
                id: new.id,
                of,
                cents,
                state: HoldState::Held,
            });
        }
    }

    async fn end(&mut self, number: usize, wanted: HoldState) {
        if self.holds.is_empty() {
            return;
        }
        let number = number % self.holds.len();
        let hold = self.holds[number].clone();
        let clock = &self.bank.app.clock;
        let state = match wanted {
            HoldState::Captured => capture_hold(self.pool, hold.id, "model", clock)
                .await
                .unwrap()
                .unwrap(),
            HoldState::Released => release_hold(self.pool, hold.id, clock).await.unwrap(),
            _ => {
                // Due alone, among all of this case.
                let mut db = self.bank.app.superuser().await;
                sqlx::query(
                    "UPDATE holds SET expires_at = created_at + interval '1 us' WHERE id = $1 AND state = 'held'",
                )
                .bind(hold.id)
                .execute(&mut db)
                .await
                .unwrap();
                expire_holds(self.pool, clock, &Lifetime::new())
                    .await
                    .unwrap();
                // It has ended, so this only says how.
                release_hold(self.pool, hold.id, clock).await.unwrap()
            }
        };
        if hold.state == HoldState::Held {
            let account = &mut self.accounts[hold.of];
            account.held -= hold.cents;
            if wanted == HoldState::Captured {
                account.balance -= hold.cents;
            }
            self.holds[number].state = wanted;
        }
        assert_eq!(state, self.holds[number].state);
    }

    async fn close(&mut self, of: usize) {
        let path = format!("/v1/accounts/{}", self.people[of].account);
        let request = self.bank.app.request(Method::DELETE, &path);
        let answer = Answer::of(request.bearer_auth(&self.people[of].token)).await;
        let account = &mut self.accounts[of];
        if account.balance == 0 && account.held == 0 {
            answer.expect(StatusCode::NO_CONTENT);
            account.closed = true;
        } else {
            assert_eq!(answer.code(), "account_not_empty");
        }
    }

    pub(super) async fn compare(&self) {
        for (person, expected) in self.people.iter().zip(&self.accounts) {
            let path = format!("/v1/accounts/{}", person.account);
            let shown = self.bank.app.get(&path, Some(&person.token)).await;
            let shown = shown.expect(StatusCode::OK).json();
            assert_eq!(shown["balance"], dollars(expected.balance));
            assert_eq!(shown["held"], dollars(expected.held));
            assert_eq!(shown["status"] == "closed", expected.closed);
        }
        let drift = bff::accounts::money::reconcile(self.pool).await.unwrap();
        assert_eq!(drift, []);
    }
}

fn dollars(cents: i64) -> serde_json::Value {
    let money = Money::from_minor(cents, Currency::Usd).unwrap();
    usd(&money.amount().to_string())
}
