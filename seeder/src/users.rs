//! People, and the currencies that they keep money in.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use fake::{
    Fake as _,
    faker::name::raw::Name,
    locales::{AR_SA, DE_DE, EN, FR_FR, IT_IT, JA_JP, NL_NL, PT_BR, TR_TR},
};
use platform::currency::Currency;
use uuid::Uuid;

use crate::{
    Parameters,
    random::{Chance, Stream},
    words::PEOPLE,
};

/// The demo user's address. Sign in with [`DEMO_PASSWORD`].
pub const DEMO_EMAIL: &str = "demo@portico.example";

/// The demo user's password: known to everyone who reads this, and never made
/// in production unless asked for.
pub const DEMO_PASSWORD: &str = "correct-horse-battery-staple-demo";

/// A person.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) username: String,
    pub(crate) full_name: String,
    pub(crate) birth_date: NaiveDate,
    pub(crate) email: String,
    pub(crate) phone: Option<&'static str>,
    /// The home's first; everyone has US dollars.
    pub(crate) currencies: Vec<Currency>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_login_at: Option<DateTime<Utc>>,
    pub(crate) is_demo: bool,
}

/// Where names come from.
#[derive(Debug, Clone, Copy)]
enum Home {
    English,
    French,
    German,
    Italian,
    Dutch,
    Turkish,
    Portuguese,
    Japanese,
    Arabic,
    Own(Currency),
}

impl Home {
    fn name(self, chance: &mut Chance) -> String {
        let random = &mut chance.0;
        match self {
            Self::English => Name(EN).fake_with_rng(random),
            Self::French => Name(FR_FR).fake_with_rng(random),
            Self::German => Name(DE_DE).fake_with_rng(random),
            Self::Italian => Name(IT_IT).fake_with_rng(random),
            Self::Dutch => Name(NL_NL).fake_with_rng(random),
            Self::Turkish => Name(TR_TR).fake_with_rng(random),
            Self::Portuguese => Name(PT_BR).fake_with_rng(random),
            Self::Japanese => Name(JA_JP).fake_with_rng(random),
            Self::Arabic => Name(AR_SA).fake_with_rng(random),
            Self::Own(currency) => {
                let names = &PEOPLE.names[&currency];
                format!(
                    "{} {}",
                    chance.choose(&names.given),
                    chance.choose(&names.family)
                )
            }
        }
    }
}

const HOMES: [((Home, Currency), u32); 12] = [
    ((Home::English, Currency::Usd), 30),
    ((Home::English, Currency::Gbp), 12),
    ((Home::French, Currency::Eur), 9),
    ((Home::German, Currency::Eur), 9),
    ((Home::Italian, Currency::Eur), 7),
    ((Home::Dutch, Currency::Eur), 4),
    ((Home::Portuguese, Currency::Eur), 4),
    ((Home::Own(Currency::Inr), Currency::Inr), 9),
    ((Home::Japanese, Currency::Jpy), 5),
    ((Home::Own(Currency::Ars), Currency::Ars), 5),
    ((Home::Own(Currency::Rub), Currency::Rub), 4),
    ((Home::Arabic, Currency::Kwd), 2),
];

/// The names of authors: in letters that the catalogue's search reads.
const PENS: [(Home, u32); 9] = [
    (Home::English, 40),
    (Home::French, 9),
    (Home::German, 9),
    (Home::Italian, 7),
    (Home::Dutch, 4),
    (Home::Turkish, 5),
    (Home::Own(Currency::Inr), 9),
    (Home::Own(Currency::Ars), 9),
    (Home::Own(Currency::Rub), 8),
];

/// The name of an author, who writes several books.
pub(crate) fn author(seed: u64, number: usize) -> String {
    let mut chance = Chance::of(seed, Stream::Author, number);
    chance.weighted(&PENS).name(&mut chance)
}

/// Everyone, the one who came first first.
pub(crate) fn users(parameters: &Parameters) -> Vec<User> {
    let end = parameters.as_of - TimeDelta::days(30);
    let start = parameters.as_of - TimeDelta::days(3 * 365);
    let slot = (end - start) / i32::try_from(parameters.users).unwrap_or(i32::MAX);
    (0..parameters.users)
        .map(|number| {
            let start = start + slot * i32::try_from(number).unwrap_or(i32::MAX);
            let mut chance = Chance::of(parameters.seed, Stream::User, number as usize);
            // The first is there from the beginning.
            let created_at = match number {
                0 => start,
                _ => chance.instant(start, start + slot),
            };
            let id = chance.id(created_at);
            if number == 0 && parameters.demo_user {
                return demo(id, created_at, parameters.as_of);
            }
            person(&mut chance, number, id, created_at, parameters.as_of)
        })
        .collect()
}

fn person(
    chance: &mut Chance,
    number: u32,
    id: Uuid,
    created_at: DateTime<Utc>,
    as_of: DateTime<Utc>,
) -> User {
    let (home, currency) = chance.weighted(&HOMES);
    let words = &PEOPLE.usernames;
    let (first, second) = (chance.choose(&words.first), chance.choose(&words.second));
    let username = format!("{first}{second}{number}");
    let hosts = ["example.org", "example.com", "example.net"];
    let mut currencies = vec![currency];
    if currency != Currency::Usd {
        currencies.push(Currency::Usd);
    } else if chance.percent(30) {
        currencies.push(Currency::Eur);
    }
    let birthday = TimeDelta::days(chance.within(0, 60 * 365));
    User {
        id,
        email: format!("{username}@{}", chance.choose(&hosts)),
        username,
        full_name: home.name(chance),
        birth_date: NaiveDate::from_ymd_opt(1948, 1, 1).expect("a date") + birthday,
        phone: None,
        currencies,
        created_at,
        last_login_at: chance
            .percent(80)
            .then(|| chance.instant(created_at, as_of)),
        is_demo: false,
    }
}

fn demo(id: Uuid, created_at: DateTime<Utc>, as_of: DateTime<Utc>) -> User {
    User {
        id,
        username: "demo".into(),
        full_name: "Dana Demo".into(),
        birth_date: NaiveDate::from_ymd_opt(1990, 4, 23).expect("a date"),
        email: DEMO_EMAIL.into(),
        // One of the numbers that are kept free for stories.
        phone: Some("+12025550143"),
        currencies: vec![Currency::Usd, Currency::Eur],
        created_at,
        last_login_at: Some(as_of - TimeDelta::days(1)),
        is_demo: true,
    }
}
