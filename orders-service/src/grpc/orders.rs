use prost::Message as _;
use proto::orders::v1::{
    self, GetOrderRequest, ListOrdersRequest, ListOrdersResponse,
    order_service_server::OrderService,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    fields::{Fields, id},
    guard::Call,
    messages,
};
use crate::{
    domain::{Order, Page, PageSize, PageTokens, Position},
    error::Error,
    store::{database::Database, orders},
};

/// The caller's own orders.
#[derive(Debug, Clone)]
pub struct Orders {
    database: Database,
    pages: PageTokens,
}

impl Orders {
    /// Serves orders of this database.
    #[must_use]
    pub fn new(database: Database, pages: PageTokens) -> Self {
        Self { database, pages }
    }

    async fn get(&self, call: &Call, request: GetOrderRequest) -> Result<v1::Order, Error> {
        let user = call.user()?;
        let id = id(&request.id).map_err(|why| Error::field("id", why.0))?;
        let mut reading = self.database.read(call.deadline).await?;
        let order = orders::get(&mut *reading, user, id)
            .await?
            .ok_or(Error::OrderNotFound)?;
        let lines = orders::lines(&mut *reading, &[order.id]).await?;
        let lines = lines.into_iter().map(|(_, line)| line).collect();
        Ok(messages::order(&order, lines))
    }

    async fn list(
        &self,
        call: &Call,
        request: ListOrdersRequest,
    ) -> Result<ListOrdersResponse, Error> {
        let user = call.user()?;
        let mut fields = Fields::default();
        let state = fields.take("state", messages::read_state(request.state));
        let size = fields.take("page_size", PageSize::parse(request.page_size, 20, 100));
        let (Some(state), Some(size)) = (state, size) else {
            return Err(fields.refused());
        };
        let page = self.page(user, size, request);
        let after = page
            .after()
            .map_err(|why| Error::field("page_token", why.0))?;
        let mut reading = self.database.read(call.deadline).await?;
        let rows = orders::list(&mut *reading, user, state, after, page.rows()).await?;
        let (rows, next_page_token) = page.cut(rows, |last: &Order| Position {
            key: last.created_at,
            id: last.id,
        });
        Ok(ListOrdersResponse {
            orders: rows
                .iter()
                .map(|order| messages::order(order, Vec::new()))
                .collect(),
            next_page_token,
        })
    }

    /// A user's token is worth nothing to another user.
    fn page(&self, user: Uuid, size: PageSize, mut request: ListOrdersRequest) -> Page {
        let token = std::mem::take(&mut request.page_token);
        request.page_size = 0;
        let mut query = format!("ListOrders {user} ").into_bytes();
        query.extend(request.encode_to_vec());
        Page::new(&self.pages, query, size, token)
    }
}

#[tonic::async_trait]
impl OrderService for Orders {
    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<v1::Order>, Status> {
        let (call, request) = Call::open(request)?;
        let answer = call.deadline.bound(self.get(&call, request)).await?;
        Ok(Response::new(answer))
    }

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        let (call, request) = Call::open(request)?;
        let answer = call.deadline.bound(self.list(&call, request)).await?;
        Ok(Response::new(answer))
    }
}
