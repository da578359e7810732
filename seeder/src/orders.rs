//! Orders: who bought what, and how far each one came.

use chrono::{DateTime, TimeDelta, Utc};
use platform::{currency::Currency, money::Money};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Parameters,
    items::Item,
    market,
    random::{Chance, Stream},
    users::User,
};

/// How far an order came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    PendingPayment,
    Capturing,
    Paid,
    Fulfilled,
    Cancelled,
    Expired,
}

/// How often an order has come to each state.
const STATES: [(State, u32); 6] = [
    (State::Fulfilled, 700),
    (State::Paid, 90),
    (State::Cancelled, 110),
    (State::Expired, 75),
    (State::PendingPayment, 22),
    (State::Capturing, 3),
];

/// The demo user's orders: of every state but the one that lasts a moment.
const DEMO: [State; 8] = [
    State::Fulfilled,
    State::Fulfilled,
    State::Cancelled,
    State::Fulfilled,
    State::Expired,
    State::Paid,
    State::Fulfilled,
    State::PendingPayment,
];

/// An order of one user.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) request_id: Uuid,
    /// Also the hold's and the transfer's.
    pub(crate) payment_id: Uuid,
    /// The user's place in the list.
    pub(crate) user: usize,
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<Line>,
    /// The way that it took; the last is where it is.
    pub(crate) way: Vec<(State, DateTime<Utc>)>,
}

/// Copies of one book in an order.
#[derive(Debug)]
pub(crate) struct Line {
    /// The book's place in the list.
    pub(crate) item: usize,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Money,
    pub(crate) discount: Money,
}

impl Line {
    pub(crate) fn subtotal(&self) -> Money {
        self.unit_price
            .times(self.quantity)
            .expect("made amounts are small")
    }

    pub(crate) fn total(&self) -> Money {
        self.subtotal()
            .minus(self.discount)
            .expect("of one currency")
    }
}

impl Order {
    pub(crate) fn created_at(&self) -> DateTime<Utc> {
        self.way[0].1
    }

    pub(crate) fn state(&self) -> State {
        self.way[self.way.len() - 1].0
    }

    pub(crate) fn updated_at(&self) -> DateTime<Utc> {
        self.way[self.way.len() - 1].1
    }

    /// When it came to that state, if it did.
    pub(crate) fn at(&self, state: State) -> Option<DateTime<Utc>> {
        self.way
            .iter()
            .find(|step| step.0 == state)
            .map(|step| step.1)
    }

    /// Whether copies are set aside for it.
    pub(crate) fn reserves(&self) -> bool {
        matches!(self.state(), State::PendingPayment | State::Capturing)
    }

    /// The sum of an amount over its lines.
    pub(crate) fn sum(&self, amount: impl Fn(&Line) -> Money) -> Money {
        self.lines
            .iter()
            .fold(Money::zero(self.currency), |sum, line| {
                sum.plus(amount(line)).expect("made amounts are small")
            })
    }
}

/// How long an order waits for its payment.
pub(crate) const EXPIRES_AFTER: TimeDelta = TimeDelta::minutes(30);

/// All orders, the oldest first.
pub(crate) fn orders(parameters: &Parameters, users: &[User], items: &[Item]) -> Vec<Order> {
    let mut orders: Vec<Order> = (0..parameters.orders as usize)
        .map(|number| order(parameters, users, items, number))
        .collect();
    orders.sort_by_key(|order| (order.created_at(), order.id));
    orders
}

fn order(parameters: &Parameters, users: &[User], items: &[Item], number: usize) -> Order {
    let mut chance = Chance::of(parameters.seed, Stream::Order, number);
    let demo = DEMO.get(number).filter(|_| parameters.demo_user);
    let state = demo.copied().unwrap_or_else(|| chance.weighted(&STATES));
    let way = way(&mut chance, state, parameters.as_of);
    let created_at = way[0].1;
    let user = if demo.is_some() {
        0
    } else {
        let day_before = created_at - TimeDelta::days(1);
        let known = users.partition_point(|user| user.created_at <= day_before);
        // The demo user has enough already.
        let first = usize::from(parameters.demo_user && known > 1);
        // Some buy often.
        first + (chance.share().powf(1.5) * (known - first) as f64) as usize
    };
    let wanted = *chance.choose(&users[user].currencies);
    let mut lines = lines(&mut chance, items, wanted, created_at);
    let mut currency = wanted;
    if lines.is_empty() {
        // The oldest book can always be had for dollars.
        currency = Currency::Usd;
        let price = items[0].price_at(currency, created_at);
        lines.extend(price.map(|price| line(&mut chance, 0, price, 0)));
    }
    Order {
        id: chance.id(created_at),
        request_id: chance.id(created_at),
        payment_id: chance.id(created_at),
        user,
        currency,
        lines,
        way,
    }
}

/// The states on the way to `state`, and when each was reached.
fn way(chance: &mut Chance, state: State, as_of: DateTime<Utc>) -> Vec<(State, DateTime<Utc>)> {
    let minutes = TimeDelta::minutes;
    let (oldest, youngest) = match state {
        State::PendingPayment => (minutes(25), minutes(0)),
        State::Capturing => (minutes(5), minutes(2)),
        State::Paid => (TimeDelta::days(4), minutes(10)),
        State::Fulfilled | State::Cancelled | State::Expired => {
            (TimeDelta::days(365), TimeDelta::days(4))
        }
    };
    // More of them of late: the shop grows.
    let back = (oldest - youngest).num_milliseconds() as f64 * (1.0 - chance.share().sqrt());
    let created_at = as_of - youngest - TimeDelta::milliseconds(back as i64 + 1);

    let mut way = vec![(State::PendingPayment, created_at)];
    // Reached so long after the state before: from `low` on, before `high`.
    let mut then = |state, low: TimeDelta, high: TimeDelta, chance: &mut Chance| {
        let last = way[way.len() - 1].1;
        way.push((state, chance.instant(last + low, last + high)));
    };
    let seconds = TimeDelta::seconds;
    match state {
        State::PendingPayment => {}
        State::Expired => then(state, EXPIRES_AFTER, EXPIRES_AFTER + minutes(1), chance),
        State::Cancelled => then(state, minutes(1), minutes(20), chance),
        State::Capturing => then(state, seconds(10), minutes(2), chance),
        State::Paid | State::Fulfilled => {
            then(State::Capturing, seconds(10), minutes(5), chance);
            then(State::Paid, seconds(1), seconds(3), chance);
        }
    }
    if state == State::Fulfilled {
        then(state, TimeDelta::hours(2), TimeDelta::days(3), chance);
    }
    way
}

fn lines(chance: &mut Chance, items: &[Item], currency: Currency, at: DateTime<Utc>) -> Vec<Line> {
    let wanted = chance.weighted(&[(1, 55), (2, 25), (3, 13), (4, 7)]);
    let discounted = if chance.percent(8) {
        chance.within(5, 20)
    } else {
        0
    };
    let mut lines: Vec<Line> = Vec::with_capacity(wanted);
    // Bounded: few books may be sold in a rare currency.
    for _ in 0..20 {
        if lines.len() == wanted {
            break;
        }
        let item = popular(chance, items);
        let price = items[item]
            .price_at(currency, at)
            .filter(|_| items[item].is_sold_at(at));
        if let Some(price) = price.filter(|_| lines.iter().all(|line| line.item != item)) {
            lines.push(line(chance, item, price, discounted));
        }
    }
    lines
}

/// A book, there already or not. A few are bought much more often.
pub(crate) fn popular(chance: &mut Chance, items: &[Item]) -> usize {
    let rank = (chance.share().powi(2) * items.len() as f64) as usize;
    // Spreads the ranks over the catalogue: the popular are not the oldest.
    rank * 2_654_435_761 % items.len()
}

fn line(chance: &mut Chance, item: usize, unit_price: Money, percent: i64) -> Line {
    let quantity = chance.weighted(&[(1, 85), (2, 10), (3, 3), (5, 2)]);
    let currency = unit_price.currency();
    let minor = unit_price.minor().expect("made amounts are small") * i64::from(quantity);
    Line {
        item,
        quantity,
        unit_price,
        discount: market::of(minor * percent / 100, currency),
    }
}
