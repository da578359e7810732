//! Carts: what some people mean to buy.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::{
    Parameters,
    items::Item,
    orders::popular,
    random::{Chance, Stream},
    users::User,
};

/// How many of a hundred people have something in their cart; the demo user has.
const WITH_CART: u32 = 30;

/// What one user has put aside.
#[derive(Debug)]
pub(crate) struct Cart {
    pub(crate) id: Uuid,
    /// The user's place in the list.
    pub(crate) user: usize,
    /// Each book's place in the list, and the copies of it.
    pub(crate) lines: Vec<(usize, u32)>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// All carts, in the order of their users.
pub(crate) fn carts(parameters: &Parameters, users: &[User], items: &[Item]) -> Vec<Cart> {
    (0..users.len())
        .filter_map(|user| cart(parameters, users, items, user))
        .collect()
}

fn cart(parameters: &Parameters, users: &[User], items: &[Item], user: usize) -> Option<Cart> {
    let mut chance = Chance::of(parameters.seed, Stream::Cart, user);
    let wanted = if users[user].is_demo {
        3
    } else if chance.percent(WITH_CART) {
        chance.weighted(&[(1, 50), (2, 25), (3, 15), (6, 10)])
    } else {
        return None;
    };
    let as_of = parameters.as_of;
    let created_at = chance.instant(as_of - TimeDelta::days(14), as_of);
    let mut lines: Vec<(usize, u32)> = Vec::with_capacity(wanted);
    // Bounded: the catalogue may have too few that can be bought.
    for _ in 0..50 {
        if lines.len() == wanted {
            break;
        }
        let item = popular(&mut chance, items);
        let quantity = chance.weighted(&[(1, 85), (2, 15)]);
        let Item {
            free, deleted_at, ..
        } = &items[item];
        let can_be_bought = *free >= i64::from(quantity)
            && deleted_at.is_none()
            && items[item].is_sold_at(created_at);
        if can_be_bought && lines.iter().all(|line| line.0 != item) {
            lines.push((item, quantity));
        }
    }
    (!lines.is_empty()).then(|| Cart {
        id: chance.id(created_at),
        user,
        lines,
        created_at,
        updated_at: chance.instant(created_at, as_of),
    })
}
