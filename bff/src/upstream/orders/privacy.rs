use std::collections::HashMap;

use chrono::{DateTime, Utc};
use proto::orders::v1::{self, CountOpenOrdersRequest, ExportOrdersRequest};
use serde::Serialize;
use uuid::Uuid;

use super::{Inner, Orders, page};
use crate::{
    accounts::users::instant,
    identity::Caller,
    upstream::{
        CallError, Context, rpc,
        view::{self, Order, OrderState, Page},
    },
};

/// Orders of one page of an export.
const EXPORTED: i32 = 50;

/// An order with all that is kept of it.
#[derive(Debug, Serialize)]
pub struct ExportedOrder {
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// The way it took, from its making on.
    pub transitions: Vec<Transition>,
}

/// What somebody means to buy.
#[derive(Debug, Serialize)]
pub struct ExportedCart {
    /// Its id.
    pub id: Uuid,
    /// What is in it, in the order of adding.
    pub lines: Vec<ExportedCartLine>,
    /// When it was made.
    #[serde(serialize_with = "instant")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "instant")]
    pub updated_at: DateTime<Utc>,
}

/// Copies of an item in a cart.
#[derive(Debug, Serialize)]
pub struct ExportedCartLine {
    /// The item.
    pub item_id: Uuid,
    /// Its title now.
    pub title: String,
    /// Copies.
    pub quantity: i32,
}

/// That an order came into a state.
#[derive(Debug, Serialize)]
pub struct Transition {
    /// Where it was from then on.
    pub state: OrderState,
    /// When.
    #[serde(serialize_with = "instant")]
    pub at: DateTime<Utc>,
}

impl Orders {
    /// Whether orders of the caller's wait for their payment or are being paid.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn has_open_orders(
        &self,
        context: &Context,
        caller: &Caller,
    ) -> Result<bool, CallError> {
        let Inner {
            privacy,
            tokens,
            count_open_orders,
            ..
        } = &*self.0;
        let send = |request| {
            let mut client = privacy.clone();
            async move { client.count_open_orders(request).await }
        };
        let message = CountOpenOrdersRequest {};
        let call = rpc::call(
            tokens,
            count_open_orders,
            context,
            Some(caller),
            message,
            send,
        );
        Ok(call.await?.count > 0)
    }

    /// One page of all that is kept of the caller's orders, with their lines and
    /// the way that each took; with the first, their cart.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn export_orders(
        &self,
        context: &Context,
        caller: &Caller,
        cursor: String,
    ) -> Result<(Page<ExportedOrder>, Option<ExportedCart>), CallError> {
        let Inner {
            privacy,
            tokens,
            export_orders,
            ..
        } = &*self.0;
        let message = ExportOrdersRequest {
            page_size: EXPORTED,
            page_token: cursor,
        };
        let send = |request| {
            let mut client = privacy.clone();
            async move { client.export_orders(request).await }
        };
        let answer = rpc::call(tokens, export_orders, context, Some(caller), message, send).await?;
        let mut ways: HashMap<Uuid, Vec<Transition>> = HashMap::new();
        for step in answer.transitions {
            let transition = Transition {
                state: step.state().try_into()?,
                at: view::timestamp(step.at, "transition.at")?,
            };
            let order = view::id(&step.order_id, "transition.order_id")?;
            ways.entry(order).or_default().push(transition);
        }
        let orders: Page<Order> = page(answer.orders, answer.next_page_token)?;
        let with_its_way = |order: Order| ExportedOrder {
            transitions: ways.remove(&order.id).unwrap_or_default(),
            order,
        };
        let page = Page {
            items: orders.items.into_iter().map(with_its_way).collect(),
            next_cursor: orders.next_cursor,
        };
        Ok((page, answer.cart.map(TryInto::try_into).transpose()?))
    }
}

impl TryFrom<v1::ExportedCart> for ExportedCart {
    type Error = CallError;

    fn try_from(cart: v1::ExportedCart) -> Result<Self, CallError> {
        Ok(Self {
            id: view::id(&cart.id, "cart.id")?,
            lines: cart
                .lines
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            created_at: view::timestamp(cart.created_at, "cart.created_at")?,
            updated_at: view::timestamp(cart.updated_at, "cart.updated_at")?,
        })
    }
}

impl TryFrom<v1::ExportedCartLine> for ExportedCartLine {
    type Error = CallError;

    fn try_from(line: v1::ExportedCartLine) -> Result<Self, CallError> {
        Ok(Self {
            item_id: view::id(&line.item_id, "cart_line.item_id")?,
            title: line.title,
            quantity: line.quantity,
        })
    }
}
