//! Our types as messages.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::orders::v1;

use crate::domain::{
    Cart, CartLine, Item, ItemOrder, Order, OrderLine, OrderState, OrderTransition,
};

pub fn money(money: platform::money::Money) -> v1::Money {
    v1::Money {
        amount: money.amount().to_string(),
        currency: money.currency().code().to_owned(),
    }
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        nanos: at.timestamp_subsec_nanos().cast_signed(),
    }
}

pub fn item(item: Item) -> v1::Item {
    v1::Item {
        etag: item.etag(),
        id: item.id.to_string(),
        title: item.title,
        author: item.author,
        description: item.description,
        tags: item.tags,
        price: item.price.map(money),
        available: item.available,
        created_at: Some(timestamp(item.created_at)),
        updated_at: Some(timestamp(item.updated_at)),
    }
}

pub fn order(order: &Order, lines: Vec<OrderLine>) -> v1::Order {
    v1::Order {
        id: order.id.to_string(),
        state: state(order.state).into(),
        lines: lines.into_iter().map(line).collect(),
        subtotal: Some(money(order.subtotal)),
        discount: Some(money(order.discount)),
        total: Some(money(order.total)),
        quantity: order.quantity,
        created_at: Some(timestamp(order.created_at)),
        updated_at: Some(timestamp(order.updated_at)),
        expires_at: order.expires_at.map(timestamp),
        etag: order.version.to_string(),
    }
}

pub fn transition(transition: OrderTransition) -> v1::OrderTransition {
    v1::OrderTransition {
        order_id: transition.order_id.to_string(),
        state: state(transition.state).into(),
        at: Some(timestamp(transition.at)),
    }
}

pub fn cart(cart: &Cart, lines: Vec<CartLine>) -> v1::ExportedCart {
    let line = |line: CartLine| v1::ExportedCartLine {
        item_id: line.item_id.to_string(),
        title: line.title,
        quantity: line.quantity,
    };
    v1::ExportedCart {
        id: cart.id.to_string(),
        lines: lines.into_iter().map(line).collect(),
        created_at: Some(timestamp(cart.created_at)),
        updated_at: Some(timestamp(cart.updated_at)),
    }
}

fn line(line: OrderLine) -> v1::OrderLine {
    v1::OrderLine {
        item_id: line.item_id.to_string(),
        title: line.title,
        author: line.author,
        quantity: line.quantity,
        unit_price: Some(money(line.unit_price)),
        discount: Some(money(line.discount)),
        total: Some(money(line.total)),
    }
}

fn state(state: OrderState) -> v1::OrderState {
    match state {
        OrderState::PendingPayment => v1::OrderState::PendingPayment,
        OrderState::Capturing => v1::OrderState::Capturing,
        OrderState::Paid => v1::OrderState::Paid,
        OrderState::Fulfilled => v1::OrderState::Fulfilled,
        OrderState::Cancelled => v1::OrderState::Cancelled,
        OrderState::Expired => v1::OrderState::Expired,
    }
}

/// The state that a message names; none for all of them.
pub fn read_state(number: i32) -> Result<Option<OrderState>, &'static str> {
    let known =
        v1::OrderState::try_from(number).map_err(|_| "expected a state of this contract")?;
    Ok(match known {
        v1::OrderState::Unspecified => None,
        v1::OrderState::PendingPayment => Some(OrderState::PendingPayment),
        v1::OrderState::Capturing => Some(OrderState::Capturing),
        v1::OrderState::Paid => Some(OrderState::Paid),
        v1::OrderState::Fulfilled => Some(OrderState::Fulfilled),
        v1::OrderState::Cancelled => Some(OrderState::Cancelled),
        v1::OrderState::Expired => Some(OrderState::Expired),
    })
}

/// The order that a message names; none for the usual one.
pub fn read_sort(number: i32) -> Result<Option<ItemOrder>, &'static str> {
    let known = v1::ItemSort::try_from(number).map_err(|_| "expected a sort of this contract")?;
    Ok(match known {
        v1::ItemSort::Unspecified => None,
        v1::ItemSort::Newest => Some(ItemOrder::Newest),
        v1::ItemSort::PriceAscending => Some(ItemOrder::PriceAscending),
        v1::ItemSort::PriceDescending => Some(ItemOrder::PriceDescending),
        v1::ItemSort::Bestselling => Some(ItemOrder::Bestselling),
        v1::ItemSort::Relevance => Some(ItemOrder::Relevance),
    })
}
