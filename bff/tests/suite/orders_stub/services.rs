//! What the stub answers, when it does.

use proto::orders::v1::{
    GetItemRequest, GetOrderRequest, Item, ListItemsRequest, ListItemsResponse, ListOrdersRequest,
    ListOrdersResponse, ListRecommendationsRequest, ListRecommendationsResponse, Money, Order,
    OrderState, catalog_service_server::CatalogService, order_service_server::OrderService,
};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::State;

const AT: prost_types::Timestamp = prost_types::Timestamp {
    seconds: 1_700_000_000,
    nanos: 120_000_000,
};

/// The id of the order that everyone has.
pub const ORDER: &str = "01890000-0000-7000-8000-000000000001";
/// The id of the item that the catalogue has.
pub const ITEM: &str = "01890000-0000-7000-8000-000000000002";

fn usd(amount: &str) -> Option<Money> {
    Some(Money {
        amount: amount.to_owned(),
        currency: "USD".to_owned(),
    })
}

fn order() -> Order {
    Order {
        id: ORDER.to_owned(),
        state: OrderState::Paid.into(),
        lines: Vec::new(),
        subtotal: usd("12.30"),
        discount: usd("2.30"),
        total: usd("10.00"),
        quantity: 3,
        created_at: Some(AT),
        updated_at: Some(AT),
        expires_at: None,
        etag: "1".to_owned(),
    }
}

fn item() -> Item {
    Item {
        id: ITEM.to_owned(),
        title: "The Tin Drum".to_owned(),
        author: "Günter Grass".to_owned(),
        description: "A boy who decides not to grow.".to_owned(),
        tags: vec!["novel".to_owned()],
        price: usd("9.99"),
        available: 4,
        created_at: Some(AT),
        updated_at: Some(AT),
        etag: "1".to_owned(),
    }
}

#[tonic::async_trait]
impl CatalogService for State {
    async fn get_item(&self, request: Request<GetItemRequest>) -> Result<Response<Item>, Status> {
        self.play("get_item", &request).await?;
        if request.get_ref().id == ITEM {
            Ok(Response::new(item()))
        } else {
            Err(Status::not_found("no such item"))
        }
    }

    async fn list_items(
        &self,
        request: Request<ListItemsRequest>,
    ) -> Result<Response<ListItemsResponse>, Status> {
        self.play("list_items", &request).await?;
        if !request.get_ref().page_token.is_empty() {
            let bad = ErrorDetails::with_bad_request_violation("page_token", "not of this query");
            return Err(Status::with_error_details(
                Code::InvalidArgument,
                "bad",
                bad,
            ));
        }
        Ok(Response::new(ListItemsResponse {
            items: vec![item()],
            next_page_token: "next".to_owned(),
        }))
    }

    async fn list_recommendations(
        &self,
        request: Request<ListRecommendationsRequest>,
    ) -> Result<Response<ListRecommendationsResponse>, Status> {
        self.play("list_recommendations", &request).await?;
        let items = vec![item()];
        Ok(Response::new(ListRecommendationsResponse { items }))
    }
}

#[tonic::async_trait]
impl OrderService for State {
    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        self.play("get_order", &request).await?;
        if request.get_ref().id == ORDER {
            Ok(Response::new(order()))
        } else {
            Err(Status::not_found("no such order"))
        }
    }

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        self.play("list_orders", &request).await?;
        Ok(Response::new(ListOrdersResponse {
            orders: vec![order()],
            next_page_token: String::new(),
        }))
    }
}
