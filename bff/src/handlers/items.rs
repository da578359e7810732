//! The catalogue: public, and cached for all.

use axum::{extract::State, response::Response};
use platform::currency::Currency;
use proto::orders::{MAX_QUERY_CHARS, v1};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::AppState,
    cache::{Hit, Key, Scope, Ttl, digest},
    edge::{
        error::ApiError,
        extract::{Cursor, FromField, IfNoneMatch, Invalid, Limit, Path, Query, parsed},
    },
    schema::{AmountText, CurrencyCode, like, schemas, text},
    screens::{json, strong_etag},
    upstream::{
        Context,
        view::{Item, ItemQuery, Page},
    },
};

/// Anyone may keep it, and has to ask whether it still holds.
const PUBLIC: &str = "public, no-cache";

const OF_LISTS: Ttl = Ttl::seconds(15, 300);
/// Copies that were sold meanwhile come to light no later than its soft time.
const OF_ITEMS: Ttl = Ttl::seconds(15, 3_000);

/// The order of a list of items.
#[derive(Debug, Clone, Copy, ToSchema, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Newest first.
    Newest,
    /// Cheapest first; without what isn't sold in the currency.
    PriceAscending,
    /// Dearest first; without what isn't sold in the currency.
    PriceDescending,
    /// What was sold most lately first.
    Bestselling,
    /// What matches best first; needs a query.
    Relevance,
}

/// Words to search for, as many as the orders service takes.
#[derive(Debug)]
pub struct Words(String);

schemas! {
    Words, "Words": "Words to search for.", text(0, MAX_QUERY_CHARS);
    struct TagText, "Tag": "A word that items are marked with.", like("^[a-z0-9-]{0,40}$");
}

impl FromField for Words {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        let text = String::from_field(value)?.trim().to_owned();
        if text.chars().count() > MAX_QUERY_CHARS {
            let detail = format!("at most {MAX_QUERY_CHARS} characters");
            return Err(Invalid::new("too_long", detail));
        }
        Ok(Self(text))
    }
}

crate::request! {
    /// Which items.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct ItemsQuery {
        /// Words to search for; knows "quoted phrases", `or` and `-without`, and
        /// forgives typing errors.
        query: Option<Words>,
        /// Only those that carry this tag.
        #[param(value_type = Option<TagText>)]
        tag: Option<String>,
        /// What prices are in, ISO 4217; the default is the catalogue's own.
        #[param(value_type = Option<CurrencyCode>)]
        currency: Option<Currency>,
        /// The lowest price, such as `5.00`.
        #[param(value_type = Option<AmountText>)]
        min_price: Option<String>,
        /// The highest price.
        #[param(value_type = Option<AmountText>)]
        max_price: Option<String>,
        /// Their order; by relevance when there is a query, else newest first.
        sort: Option<Sort>,
        /// How many.
        #[param(required = false)]
        limit: Limit,
        /// From an earlier page of the same query.
        cursor: Option<Cursor>,
    }
}

crate::request! {
    /// How one item is shown.
    #[derive(IntoParams)]
    #[into_params(parameter_in = Query)]
    pub struct ItemView {
        /// What the price is in, ISO 4217; the default is the catalogue's own.
        #[param(value_type = Option<CurrencyCode>)]
        currency: Option<Currency>,
    }
}

/// List items, or search for them.
#[utoipa::path(get, path = "/v1/items", tag = "catalogue", params(ItemsQuery, Context, IfNoneMatch), security(()),
    responses((status = 200, body = Page<Item>)))]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<ItemsQuery>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let query = ItemQuery::from(query);
    // Clients can ask for any number of lists.
    let key = Key::new("items", Scope::Public)
        .of_catalogue()
        .detail(name(&query))
        .local();
    let (orders, deadline) = (state.sources.orders.clone(), context.deadline);
    let fetch = |deadline| {
        let context = Context {
            deadline,
            ..context
        };
        json(async move { orders.items(&context, &query).await })
    };
    let hit = state.cache.get(&key, OF_LISTS, deadline, fetch).await?;
    Ok(answer(&known, &hit))
}

/// One item.
#[utoipa::path(get, path = "/v1/items/{id}", tag = "catalogue", params(("id" = Uuid, Path), ItemView, Context, IfNoneMatch), security(()),
    responses((status = 200, body = Item)))]
pub async fn show(
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
    Query(ItemView { currency }): Query<ItemView>,
    context: Context,
    known: IfNoneMatch,
) -> Result<Response, ApiError> {
    let key = Key::new("item", Scope::Public)
        .of_item(id)
        .detail(currency.map_or("", Currency::code));
    let (orders, deadline) = (state.sources.orders.clone(), context.deadline);
    let fetch = move |deadline| {
        let context = Context {
            deadline,
            ..context
        };
        json(async move { orders.item(&context, id, currency).await })
    };
    let hit = state.cache.get(&key, OF_ITEMS, deadline, fetch).await?;
    Ok(answer(&known, &hit))
}

fn answer(known: &IfNoneMatch, hit: &Hit) -> Response {
    let etag = (!hit.stale).then(|| strong_etag(hit.entry.digest()));
    known.answer(hit.entry.json().clone(), etag, PUBLIC)
}

/// The same for the same query, and short however long the query is.
fn name(query: &ItemQuery) -> String {
    let text = serde_json::to_vec(query).expect("a query is plain data");
    format!("{:032x}", u128::from_be_bytes(digest(&[&text])))
}

impl From<ItemsQuery> for ItemQuery {
    fn from(query: ItemsQuery) -> Self {
        Self {
            query: query.query.map(|Words(text)| text).unwrap_or_default(),
            tag: query.tag.unwrap_or_default(),
            currency: query.currency,
            min_price: query.min_price,
            max_price: query.max_price,
            sort: query.sort.map_or(v1::ItemSort::Unspecified, Into::into),
            limit: query.limit.0,
            cursor: query.cursor.map(|Cursor(text)| text).unwrap_or_default(),
        }
    }
}

impl From<Sort> for v1::ItemSort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Newest => Self::Newest,
            Sort::PriceAscending => Self::PriceAscending,
            Sort::PriceDescending => Self::PriceDescending,
            Sort::Bestselling => Self::Bestselling,
            Sort::Relevance => Self::Relevance,
        }
    }
}

impl FromField for Sort {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        serde_json::from_value(value)
            .map_err(|_| Invalid::new("unknown_value", "expected an order of items"))
    }
}

impl FromField for Currency {
    fn from_field(value: Value) -> Result<Self, Invalid> {
        parsed(
            value,
            "unknown_currency",
            "expected an ISO 4217 code in use here",
        )
    }
}
