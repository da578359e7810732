use platform::{clock::SharedClock, currency::Currency, money::Money};
use prost::Message as _;
use proto::orders::v1::{
    self, GetItemRequest, ListItemsRequest, ListItemsResponse, ListRecommendationsRequest,
    ListRecommendationsResponse, catalog_service_server::CatalogService,
};
use serde::de::DeserializeOwned;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{
    fields::{Fields, currency, id},
    guard::Call,
    messages,
};
use crate::{
    domain::{
        ItemFilter, ItemOrder, ItemQuery, Page, PageSize, PageTokens, Position, SearchText, Tag,
    },
    error::Error,
    store::{
        database::Database,
        items,
        lists::{self, Part},
    },
};

/// What can be bought.
#[derive(Debug, Clone)]
pub struct Catalog {
    database: Database,
    pages: PageTokens,
    default_currency: Currency,
    clock: SharedClock,
}

impl Catalog {
    /// Serves the catalogue of this database.
    #[must_use]
    pub fn new(
        database: Database,
        pages: PageTokens,
        default_currency: Currency,
        clock: SharedClock,
    ) -> Self {
        Self {
            database,
            pages,
            default_currency,
            clock,
        }
    }

    async fn get(&self, call: &Call, request: GetItemRequest) -> Result<v1::Item, Error> {
        let mut fields = Fields::default();
        let id = fields.take("id", id(&request.id));
        let currency = fields.take(
            "currency",
            currency(&request.currency, self.default_currency),
        );
        let (Some(id), Some(currency)) = (id, currency) else {
            return Err(fields.refused());
        };
        let mut reading = self.database.read(call.deadline).await?;
        let found = items::load(&mut *reading, &[id], currency, self.clock.now()).await?;
        found
            .into_iter()
            .next()
            .map(messages::item)
            .ok_or(Error::ItemNotFound)
    }

    async fn list(
        &self,
        call: &Call,
        request: ListItemsRequest,
    ) -> Result<ListItemsResponse, Error> {
        let (query, page) = self.read_query(request)?;
        let filter = &query.filter;
        let now = self.clock.now();
        let mut reading = self.database.search(call.deadline).await?;
        let few = lists::few(&mut *reading, &query).await?;
        let few = few.as_deref();
        macro_rules! listed {
            ($list:path) => {{
                let part = Part {
                    filter,
                    few,
                    now,
                    after: after(&page)?,
                    rows: page.rows(),
                };
                let (rows, next) = page.cut($list(&mut *reading, part).await?, |last| *last);
                let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
                (ids, next)
            }};
        }
        let (ids, next_page_token) = match query.order {
            ItemOrder::Newest => listed!(lists::newest),
            ItemOrder::PriceAscending => listed!(lists::price_ascending),
            ItemOrder::PriceDescending => listed!(lists::price_descending),
            ItemOrder::Bestselling => listed!(lists::bestselling),
            ItemOrder::Relevance => listed!(lists::relevance),
        };
        let items = items::load(&mut *reading, &ids, filter.currency, now).await?;
        Ok(ListItemsResponse {
            items: items.into_iter().map(messages::item).collect(),
            next_page_token,
        })
    }

    async fn recommend(
        &self,
        call: &Call,
        request: ListRecommendationsRequest,
    ) -> Result<ListRecommendationsResponse, Error> {
        let mut fields = Fields::default();
        let size = fields.take("page_size", PageSize::parse(request.page_size, 10, 50));
        let currency = fields.take(
            "currency",
            currency(&request.currency, self.default_currency),
        );
        let (Some(size), Some(currency)) = (size, currency) else {
            return Err(fields.refused());
        };
        let (user, now) = (call.anyone(), self.clock.now());
        let mut reading = self.database.read(call.deadline).await?;
        let ids = lists::recommended(&mut *reading, user, currency, now, size.get()).await?;
        let items = items::load(&mut *reading, &ids, currency, now).await?;
        Ok(ListRecommendationsResponse {
            items: items.into_iter().map(messages::item).collect(),
        })
    }

    fn read_query(&self, request: ListItemsRequest) -> Result<(ItemQuery, Page), Error> {
        let mut fields = Fields::default();
        let text = fields.take("query", SearchText::parse(&request.query));
        let tag = fields.take("tag", Tag::parse(&request.tag));
        let currency = fields.take(
            "currency",
            currency(&request.currency, self.default_currency),
        );
        let order = fields.take("sort", messages::read_sort(request.sort));
        let size = fields.take("page_size", PageSize::parse(request.page_size, 20, 100));
        let price = |text: &Option<String>| match (text, currency) {
            (Some(text), Some(currency)) => {
                Money::parse(text, currency).map(|money| Some(money.amount()))
            }
            _ => Ok(None),
        };
        let min_price = fields.take("min_price", price(&request.min_price));
        let max_price = fields.take("max_price", price(&request.max_price));
        let (
            Some(text),
            Some(tag),
            Some(currency),
            Some(order),
            Some(size),
            Some(min_price),
            Some(max_price),
        ) = (text, tag, currency, order, size, min_price, max_price)
        else {
            return Err(fields.refused());
        };
        let filter = ItemFilter {
            text,
            tag,
            currency,
            min_price,
            max_price,
        };
        let query = ItemQuery::new(filter, order).map_err(|why| Error::field("sort", why.0))?;
        Ok((query, self.page(size, request)))
    }

    fn page(&self, size: PageSize, mut request: ListItemsRequest) -> Page {
        let token = std::mem::take(&mut request.page_token);
        request.page_size = 0;
        let mut query = b"ListItems ".to_vec();
        query.extend(request.encode_to_vec());
        Page::new(&self.pages, query, size, token)
    }
}

fn after<K: DeserializeOwned>(page: &Page) -> Result<Option<Position<K>>, Error> {
    page.after()
        .map_err(|why| Error::field("page_token", why.0))
}

#[tonic::async_trait]
impl CatalogService for Catalog {
    async fn get_item(
        &self,
        request: Request<GetItemRequest>,
    ) -> Result<Response<v1::Item>, Status> {
        let (call, request) = Call::open(request)?;
        let answer = call.deadline.bound(self.get(&call, request)).await?;
        Ok(Response::new(answer))
    }

    async fn list_items(
        &self,
        request: Request<ListItemsRequest>,
    ) -> Result<Response<ListItemsResponse>, Status> {
        let (call, request) = Call::open(request)?;
        let answer = call.deadline.bound(self.list(&call, request)).await?;
        Ok(Response::new(answer))
    }

    async fn list_recommendations(
        &self,
        request: Request<ListRecommendationsRequest>,
    ) -> Result<Response<ListRecommendationsResponse>, Status> {
        let (call, request) = Call::open(request)?;
        let answer = call.deadline.bound(self.recommend(&call, request)).await?;
        Ok(Response::new(answer))
    }
}
