use std::collections::HashMap;

use proto::orders::v1::{
    CountOpenOrdersRequest, CountOpenOrdersResponse, ExportOrdersRequest, ExportOrdersResponse,
    ExportedCart, privacy_service_server::PrivacyService,
};
use sqlx::PgConnection;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{guard::Call, messages};
use crate::{
    domain::{Order, OrderLine, Page, PageSize, PageTokens, Position},
    error::Error,
    store::{carts, database::Database, orders},
};

/// What is kept about the caller.
#[derive(Debug, Clone)]
pub struct Privacy {
    database: Database,
    pages: PageTokens,
}

impl Privacy {
    /// Tells what this database keeps.
    #[must_use]
    pub fn new(database: Database, pages: PageTokens) -> Self {
        Self { database, pages }
    }

    async fn count(&self, call: &Call) -> Result<CountOpenOrdersResponse, Error> {
        let user = call.user()?;
        let mut reading = self.database.read(call.deadline).await?;
        let count = orders::count_open(&mut *reading, user).await?;
        Ok(CountOpenOrdersResponse { count })
    }

    async fn export(
        &self,
        call: &Call,
        request: ExportOrdersRequest,
    ) -> Result<ExportOrdersResponse, Error> {
        let user = call.user()?;
        let size = PageSize::parse(request.page_size, 50, 100)
            .map_err(|why| Error::field("page_size", why.0))?;
        let query = format!("ExportOrders {user}").into_bytes();
        let is_first = request.page_token.is_empty();
        let page = Page::new(&self.pages, query, size, request.page_token);
        let after = page
            .after()
            .map_err(|why| Error::field("page_token", why.0))?;
        let mut reading = self.database.read(call.deadline).await?;
        // Before the orders, so that one that takes the cart away meanwhile is there.
        let cart = if is_first {
            cart(&mut reading, user).await?
        } else {
            None
        };
        let rows = orders::list(&mut *reading, user, None, after, page.rows()).await?;
        let (rows, next_page_token) = page.cut(rows, |last: &Order| Position {
            key: last.created_at,
            id: last.id,
        });
        let ids: Vec<Uuid> = rows.iter().map(|order| order.id).collect();
        let mut lines: HashMap<Uuid, Vec<OrderLine>> = HashMap::new();
        for (order, line) in orders::lines(&mut *reading, &ids).await? {
            lines.entry(order).or_default().push(line);
        }
        let transitions = orders::transitions(&mut *reading, &ids).await?;
        let whole = |order: &Order| {
            let lines = lines.remove(&order.id).unwrap_or_default();
            messages::order(order, lines)
        };
        Ok(ExportOrdersResponse {
            orders: rows.iter().map(whole).collect(),
            next_page_token,
            transitions: transitions.into_iter().map(messages::transition).collect(),
            cart,
        })
    }
}

async fn cart(reading: &mut PgConnection, user: Uuid) -> Result<Option<ExportedCart>, Error> {
    let Some(cart) = carts::get(&mut *reading, user).await? else {
        return Ok(None);
    };
    let lines = carts::lines(reading, cart.id).await?;
    Ok(Some(messages::cart(&cart, lines)))
}

#[tonic::async_trait]
impl PrivacyService for Privacy {
    async fn count_open_orders(
        &self,
        request: Request<CountOpenOrdersRequest>,
    ) -> Result<Response<CountOpenOrdersResponse>, Status> {
        let (call, _) = Call::open(request)?;
        let answer = call.deadline.bound(self.count(&call)).await?;
        Ok(Response::new(answer))
    }

    async fn export_orders(
        &self,
        request: Request<ExportOrdersRequest>,
    ) -> Result<Response<ExportOrdersResponse>, Status> {
        let (call, request) = Call::open(request)?;
        let answer = call.deadline.bound(self.export(&call, request)).await?;
        Ok(Response::new(answer))
    }
}
