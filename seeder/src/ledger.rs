//! What happened to everyone's money, in the order in which it happened: it
//! comes from the world, and every movement is a transfer with its entries.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use platform::currency::Currency;
use uuid::Uuid;

use crate::{
    Parameters, market,
    orders::{Order, State},
    random::{Chance, Stream},
    users::User,
};

/// Whose an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// Where money comes from.
    World,
    /// What was earned.
    Revenue,
    /// The user at that place in the list.
    User(usize),
}

/// An account. Amounts are in minor units of the currency.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) owner: Owner,
    pub(crate) currency: Currency,
    pub(crate) balance: i64,
    pub(crate) held: i64,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// Money that moved. Accounts are meant by their place in the list.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) id: Uuid,
    pub(crate) debit: usize,
    pub(crate) credit: usize,
    pub(crate) amount: i64,
    pub(crate) note: &'static str,
    pub(crate) at: DateTime<Utc>,
}

/// What a transfer did to an account.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) transfer: usize,
    pub(crate) account: usize,
    pub(crate) version: i64,
    pub(crate) amount: i64,
    pub(crate) balance_after: i64,
}

/// Money set aside for an order, and taken when it was paid.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) id: Uuid,
    pub(crate) account: usize,
    pub(crate) amount: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) captured_at: Option<DateTime<Utc>>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) accounts: Vec<Account>,
    pub(crate) transfers: Vec<Transfer>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) holds: Vec<Hold>,
    by_owner: HashMap<(Owner, Currency), usize>,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
enum Event<'a> {
    /// The account's first money.
    Deposit { account: usize, cents: i64 },
    /// The money of an order is set aside and, when it was paid, taken.
    Payment(&'a Order),
    /// Dollars from one user to another.
    Gift { from: usize, to: usize, cents: i64 },
}

const GIFTS: [&str; 8] = [
    "Lunch",
    "Concert tickets",
    "Thank you!",
    "Half of the taxi",
    "Happy birthday",
    "Book club",
    "Groceries",
    "The bet you won",
];

impl Ledger {
    /// Plays everything through, from the state that the house's accounts,
    /// `accounts`, are in.
    pub(crate) fn new(
        parameters: &Parameters,
        accounts: Vec<Account>,
        users: &[User],
        orders: &[Order],
    ) -> Self {
        let mut ledger = Self {
            accounts,
            transfers: Vec::new(),
            entries: Vec::new(),
            holds: Vec::new(),
            by_owner: HashMap::new(),
            seed: parameters.seed,
        };
        let mut events = ledger.open_accounts(users);
        events.extend(orders.iter().filter_map(|order| {
            let at = order.at(State::Paid).or(order.at(State::Capturing))?;
            Some((at, Event::Payment(order)))
        }));
        events.extend(gifts(parameters, users));
        events.sort_by_key(|(at, _)| *at);
        for (at, event) in events {
            ledger.play(event, at);
        }
        ledger
    }

    fn open_accounts<'a>(&mut self, users: &[User]) -> Vec<(DateTime<Utc>, Event<'a>)> {
        let mut deposits = Vec::new();
        for (number, user) in users.iter().enumerate() {
            let mut chance = Chance::of(self.seed, Stream::Account, number);
            for currency in &user.currencies {
                let created_at = user.created_at + TimeDelta::seconds(chance.within(30, 600));
                let deposit = Event::Deposit {
                    account: self.accounts.len(),
                    cents: chance.within(20, 500) * 100,
                };
                deposits.push((
                    chance.instant(created_at, created_at + TimeDelta::days(1)),
                    deposit,
                ));
                self.accounts.push(Account {
                    id: chance.id(created_at),
                    owner: Owner::User(number),
                    currency: *currency,
                    balance: 0,
                    held: 0,
                    version: 0,
                    created_at,
                    updated_at: created_at,
                });
            }
        }
        let places = self.accounts.iter().enumerate();
        self.by_owner = places
            .map(|(place, account)| ((account.owner, account.currency), place))
            .collect();
        deposits
    }

    fn play(&mut self, event: Event<'_>, at: DateTime<Utc>) {
        match event {
            Event::Deposit { account, cents } => {
                let amount = market::minor(self.accounts[account].currency, cents);
                self.deposit(account, amount, at);
            }
            Event::Payment(order) => self.pay(order, at),
            Event::Gift { from, to, cents } => {
                let debit = self.of(Owner::User(from), Currency::Usd);
                let credit = self.of(Owner::User(to), Currency::Usd);
                let mut chance = Chance::of(self.seed, Stream::Transfer, self.transfers.len());
                let note = *chance.choose(&GIFTS);
                if self.accounts[debit].balance - self.accounts[debit].held >= cents {
                    self.transfer(chance.id(at), debit, credit, cents, note, at);
                }
            }
        }
    }

    fn pay(&mut self, order: &Order, at: DateTime<Utc>) {
        let account = self.of(Owner::User(order.user), order.currency);
        let total = order.sum(crate::orders::Line::total);
        let amount = total.minor().expect("made amounts are small");
        if amount == 0 {
            return;
        }
        let missing = amount - (self.accounts[account].balance - self.accounts[account].held);
        if missing > 0 {
            let step = market::minor(order.currency, 5_000);
            self.deposit(account, (missing / step + 1) * step, at);
        }
        let captured_at = order.at(State::Paid);
        if captured_at.is_some() {
            let revenue = self.of(Owner::Revenue, order.currency);
            self.transfer(order.payment_id, account, revenue, amount, "Order", at);
        } else {
            self.accounts[account].held += amount;
            self.accounts[account].updated_at = at;
        }
        self.holds.push(Hold {
            id: order.payment_id,
            account,
            amount,
            created_at: order.at(State::Capturing).unwrap_or(at),
            captured_at,
        });
    }

    fn deposit(&mut self, account: usize, amount: i64, at: DateTime<Utc>) {
        let id = Chance::of(self.seed, Stream::Transfer, self.transfers.len()).id(at);
        let world = self.of(Owner::World, self.accounts[account].currency);
        self.transfer(id, world, account, amount, "Top-up", at);
    }

    fn transfer(
        &mut self,
        id: Uuid,
        debit: usize,
        credit: usize,
        amount: i64,
        note: &'static str,
        at: DateTime<Utc>,
    ) {
        for (place, amount) in [(debit, -amount), (credit, amount)] {
            let account = &mut self.accounts[place];
            account.balance += amount;
            account.version += 1;
            account.updated_at = account.updated_at.max(at);
            self.entries.push(Entry {
                transfer: self.transfers.len(),
                account: place,
                version: account.version,
                amount,
                balance_after: account.balance,
            });
        }
        self.transfers.push(Transfer {
            id,
            debit,
            credit,
            amount,
            note,
            at,
        });
    }

    fn of(&self, owner: Owner, currency: Currency) -> usize {
        *self
            .by_owner
            .get(&(owner, currency))
            .expect("the house has every currency, and users pay in their own")
    }
}

/// Every third user once gave another something.
fn gifts<'a>(parameters: &Parameters, users: &[User]) -> Vec<(DateTime<Utc>, Event<'a>)> {
    let year_ago = parameters.as_of - TimeDelta::days(365);
    (0..users.len() / 3)
        .filter_map(|number| {
            let mut chance = Chance::of(parameters.seed, Stream::Gift, number);
            let from = chance.within(0, users.len() as i64 - 1).unsigned_abs() as usize;
            let to = chance.within(0, users.len() as i64 - 1).unsigned_abs() as usize;
            // An account is open ten minutes after its user came.
            let both = users[from].created_at.max(users[to].created_at) + TimeDelta::days(1);
            let at = chance.instant(both.max(year_ago), parameters.as_of);
            let cents = chance.within(300, 6_000);
            (from != to).then_some((at, Event::Gift { from, to, cents }))
        })
        .collect()
}
