mod privacy;

use std::{sync::Arc, time::Duration};

use platform::currency::Currency;
use proto::orders::v1::{
    GetItemRequest, GetOrderRequest, ListItemsRequest, ListOrdersRequest,
    ListRecommendationsRequest, OrderState, catalog_service_client::CatalogServiceClient,
    order_service_client::OrderServiceClient, privacy_service_client::PrivacyServiceClient,
};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use uuid::Uuid;

use super::{
    CallError, Context, Guard, Guards, OrdersSettings, Policy, rpc,
    view::{self, Item, ItemQuery, Order, Page},
};
use crate::identity::{Caller, token::Tokens};

/// How long the service has to say that it is well.
const CHECK_LIMIT: Duration = Duration::from_millis(400);

/// The orders service, as the edge calls it. Cloning shares the connection.
#[derive(Debug, Clone)]
pub struct Orders(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    health: HealthClient<Channel>,
    catalog: CatalogServiceClient<Channel>,
    orders: OrderServiceClient<Channel>,
    privacy: PrivacyServiceClient<Channel>,
    tokens: Tokens,
    get_item: Guard,
    list_items: Guard,
    list_recommendations: Guard,
    get_order: Guard,
    list_orders: Guard,
    count_open_orders: Guard,
    export_orders: Guard,
}

impl Orders {
    /// Prepares the connection; it is made at the first call, and again
    /// whenever it was lost.
    ///
    /// # Errors
    /// When the URL can't be used.
    pub fn new(
        settings: &OrdersSettings,
        tokens: Tokens,
        guards: &Guards,
    ) -> Result<Self, tonic::transport::Error> {
        let channel = Endpoint::from_shared(settings.url.expose().to_string())?
            .connect_timeout(settings.connect_timeout_ms.duration())
            // A peer that hangs is noticed, so that its successor is found.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true)
            .connect_lazy();
        let policy = Policy {
            concurrency: settings.concurrency,
            wait: settings.wait_ms.duration(),
            retries: settings.retries,
            hedge: settings.hedge,
            patience: Duration::from_millis(100),
        };
        let guard = |method| Guard::new(["orders", method], policy, &settings.breaker, guards);
        Ok(Self(Arc::new(Inner {
            health: HealthClient::new(channel.clone()),
            catalog: CatalogServiceClient::new(channel.clone()),
            orders: OrderServiceClient::new(channel.clone()),
            privacy: PrivacyServiceClient::new(channel),
            tokens,
            get_item: guard("get_item"),
            list_items: guard("list_items"),
            list_recommendations: guard("list_recommendations"),
            get_order: guard("get_order"),
            list_orders: guard("list_orders"),
            count_open_orders: guard("count_open_orders"),
            export_orders: guard("export_orders"),
        })))
    }

    /// One item.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn item(
        &self,
        context: &Context,
        id: Uuid,
        currency: Option<Currency>,
    ) -> Result<Item, CallError> {
        let Inner {
            catalog,
            tokens,
            get_item,
            ..
        } = &*self.0;
        let id = id.to_string();
        let message = GetItemRequest {
            id,
            currency: code(currency),
        };
        let send = |request| {
            let mut client = catalog.clone();
            async move { client.get_item(request).await }
        };
        rpc::call(tokens, get_item, context, None, message, send)
            .await?
            .try_into()
    }

    /// One page of the items that match.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn items(
        &self,
        context: &Context,
        query: &ItemQuery,
    ) -> Result<Page<Item>, CallError> {
        let Inner {
            catalog,
            tokens,
            list_items,
            ..
        } = &*self.0;
        let query = query.clone();
        let message = ListItemsRequest {
            page_size: query.limit.into(),
            page_token: query.cursor,
            query: query.query,
            tag: query.tag,
            currency: code(query.currency),
            min_price: query.min_price,
            max_price: query.max_price,
            sort: query.sort.into(),
        };
        let send = |request| {
            let mut client = catalog.clone();
            async move { client.list_items(request).await }
        };
        let answer = rpc::call(tokens, list_items, context, None, message, send).await?;
        page(answer.items, answer.next_page_token)
    }

    /// Items worth showing to the caller.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn recommendations(
        &self,
        context: &Context,
        caller: &Caller,
        count: u8,
    ) -> Result<Vec<Item>, CallError> {
        let Inner {
            catalog,
            tokens,
            list_recommendations,
            ..
        } = &*self.0;
        let message = ListRecommendationsRequest {
            page_size: count.into(),
            currency: String::new(),
        };
        let send = |request| {
            let mut client = catalog.clone();
            async move { client.list_recommendations(request).await }
        };
        let answer = rpc::call(
            tokens,
            list_recommendations,
            context,
            Some(caller),
            message,
            send,
        )
        .await?;
        answer.items.into_iter().map(TryInto::try_into).collect()
    }

    /// One of the caller's orders.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn order(
        &self,
        context: &Context,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Order, CallError> {
        let Inner {
            orders,
            tokens,
            get_order,
            ..
        } = &*self.0;
        let message = GetOrderRequest { id: id.to_string() };
        let send = |request| {
            let mut client = orders.clone();
            async move { client.get_order(request).await }
        };
        rpc::call(tokens, get_order, context, Some(caller), message, send)
            .await?
            .try_into()
    }

    /// One page of the caller's orders, newest first.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn orders(
        &self,
        context: &Context,
        caller: &Caller,
        state: Option<view::OrderState>,
        limit: u8,
        cursor: String,
    ) -> Result<Page<Order>, CallError> {
        let Inner {
            orders,
            tokens,
            list_orders,
            ..
        } = &*self.0;
        let state = state.map_or(OrderState::Unspecified, Into::into);
        let message = ListOrdersRequest {
            page_size: limit.into(),
            page_token: cursor,
            state: state.into(),
        };
        let send = |request| {
            let mut client = orders.clone();
            async move { client.list_orders(request).await }
        };
        let answer = rpc::call(tokens, list_orders, context, Some(caller), message, send).await?;
        page(answer.orders, answer.next_page_token)
    }

    /// Whether the service answers, as it says itself.
    ///
    /// # Errors
    /// What it says instead.
    pub async fn check(&self) -> Result<(), String> {
        let mut request = Request::new(HealthCheckRequest::default());
        request.set_timeout(CHECK_LIMIT);
        match self.0.health.clone().check(request).await {
            Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => Ok(()),
            Ok(answer) => Err(answer.get_ref().status().as_str_name().to_owned()),
            Err(status) => Err(format!("{:?}", status.code())),
        }
    }
}

fn code(currency: Option<Currency>) -> String {
    currency.map_or_else(String::new, |currency| currency.code().to_owned())
}

fn page<M, V>(messages: Vec<M>, next: String) -> Result<Page<V>, CallError>
where
    M: TryInto<V, Error = CallError>,
{
    Ok(Page {
        items: messages
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<_, _>>()?,
        next_cursor: (!next.is_empty()).then_some(next),
    })
}
