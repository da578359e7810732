//! Books, what they cost and cost before, and how many there are.

use chrono::{DateTime, TimeDelta, Utc};
use platform::{currency::Currency, money::Money};
use uuid::Uuid;

use crate::{
    Parameters,
    market::shelf_price,
    random::{Chance, Stream},
    users::author,
    words::GENRES,
};

/// A book.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) id: Uuid,
    pub(crate) title: String,
    pub(crate) author: String,
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    pub(crate) prices: Vec<Price>,
    /// Copies on hand that nobody has reserved.
    pub(crate) free: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    pub(crate) version: i64,
}

/// What a book costs from one instant until before another.
#[derive(Debug)]
pub(crate) struct Price {
    pub(crate) money: Money,
    pub(crate) from: DateTime<Utc>,
    pub(crate) until: Option<DateTime<Utc>>,
}

/// How many of a hundred books are sold in a currency.
const SOLD_IN: [(Currency, u32); 8] = [
    (Currency::Usd, 100),
    (Currency::Eur, 100),
    (Currency::Gbp, 40),
    (Currency::Inr, 20),
    (Currency::Jpy, 15),
    (Currency::Ars, 10),
    (Currency::Rub, 10),
    (Currency::Kwd, 5),
];

/// Books by one author, on average.
const BOOKS_PER_AUTHOR: usize = 8;

impl Item {
    /// What it cost then, if it was sold in that currency.
    pub(crate) fn price_at(&self, currency: Currency, at: DateTime<Utc>) -> Option<Money> {
        self.prices
            .iter()
            .find(|price| {
                price.money.currency() == currency
                    && price.from <= at
                    && price.until.is_none_or(|until| at < until)
            })
            .map(|price| price.money)
    }

    /// Whether it could be bought then.
    pub(crate) fn is_sold_at(&self, at: DateTime<Utc>) -> bool {
        self.created_at <= at && self.deleted_at.is_none_or(|deleted_at| at < deleted_at)
    }
}

/// The catalogue, the oldest book first.
pub(crate) fn items(parameters: &Parameters) -> Vec<Item> {
    let end = parameters.as_of - TimeDelta::days(1);
    let start = parameters.as_of - TimeDelta::days(3 * 365);
    let slot = (end - start) / i32::try_from(parameters.items).unwrap_or(i32::MAX);
    (0..parameters.items)
        .map(|number| {
            let start = start + slot * i32::try_from(number).unwrap_or(i32::MAX);
            let mut chance = Chance::of(parameters.seed, Stream::Item, number as usize);
            // The first is there from the beginning.
            let created_at = match number {
                0 => start,
                _ => chance.instant(start, start + slot),
            };
            item(parameters, &mut chance, number as usize, created_at)
        })
        .collect()
}

fn item(
    parameters: &Parameters,
    chance: &mut Chance,
    number: usize,
    created_at: DateTime<Utc>,
) -> Item {
    let id = chance.id(created_at);
    let genre = chance.choose(&GENRES);
    let theme = chance.choose(&genre.themes).clone();
    let authors = (parameters.items as usize).div_ceil(BOOKS_PER_AUTHOR) as i64;
    let author_number = chance.within(0, authors - 1).unsigned_abs() as usize;

    let mut tags = vec![genre.tag.clone(), theme.clone()];
    while chance.percent(40) {
        let tag = chance.choose(&genre.themes);
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }

    let changed_at = (chance.percent(10)).then(|| chance.instant(created_at, parameters.as_of));
    // Some go out of print; the oldest never, so that there is always one to buy.
    let deleted_at = (number % 211 == 7).then(|| {
        let after = changed_at.unwrap_or(created_at) + TimeDelta::milliseconds(1);
        chance.instant(after, parameters.as_of)
    });
    Item {
        id,
        title: genre.title(chance),
        author: author(parameters.seed, author_number),
        description: genre.description(chance, &theme),
        tags,
        prices: prices(chance, genre.cents, created_at, changed_at),
        free: if chance.percent(3) {
            0
        } else {
            chance.within(1, 400)
        },
        created_at,
        updated_at: deleted_at.or(changed_at).unwrap_or(created_at),
        deleted_at,
        version: 1 + i64::from(changed_at.is_some()) + i64::from(deleted_at.is_some()),
    }
}

/// In each currency one price, or two when it was changed.
fn prices(
    chance: &mut Chance,
    (low, high): (i64, i64),
    created_at: DateTime<Utc>,
    changed_at: Option<DateTime<Utc>>,
) -> Vec<Price> {
    let cents = chance.within(low, high);
    let changed_at = changed_at.filter(|at| *at > created_at);
    let mut prices = Vec::new();
    for (currency, share) in SOLD_IN {
        if !chance.percent(share) {
            continue;
        }
        prices.push(Price {
            money: shelf_price(currency, cents),
            from: created_at,
            until: changed_at,
        });
        if let Some(from) = changed_at {
            let money = shelf_price(currency, cents * 4 / 5);
            prices.push(Price {
                money,
                from,
                until: None,
            });
        }
    }
    prices
}
