use chrono::{DateTime, Utc};
use platform::{currency::Currency, money::Money};
use proto::orders::MAX_QUERY_CHARS;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::Refused;

/// Something that can be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// UUIDv7.
    pub id: Uuid,
    /// What it is called.
    pub title: String,
    /// Who wrote it.
    pub author: String,
    /// A few sentences about it.
    pub description: String,
    /// Lower-case words it can be found by.
    pub tags: Vec<String>,
    /// The price now, in the currency that was asked for.
    pub price: Option<Money>,
    /// Copies that can still be ordered.
    pub available: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Raised by every change.
    pub version: i64,
}

impl Item {
    /// Changes with everything that is shown of the item but how many are
    /// left. A price begins and ends by itself, so it is part of the tag.
    #[must_use]
    pub fn etag(&self) -> String {
        match self.price {
            None => self.version.to_string(),
            Some(price) => format!("{}-{}-{}", self.version, price.amount(), price.currency()),
        }
    }
}

/// Words to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText(String);

impl SearchText {
    /// Reads what was sent; nothing but space is no search.
    ///
    /// # Errors
    /// When it is too long, or holds what no text in the database can hold.
    pub fn parse(text: &str) -> Result<Option<Self>, Refused> {
        if text.contains('\0') {
            return Err(Refused("expected text without NUL characters"));
        }
        let text = text.trim();
        if text.chars().count() > MAX_QUERY_CHARS {
            return Err(Refused("expected fewer characters"));
        }
        Ok((!text.is_empty()).then(|| Self(text.to_owned())))
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A word that items are marked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Reads what was sent; an empty text is no tag.
    ///
    /// # Errors
    /// When no item can carry such a tag.
    pub fn parse(text: &str) -> Result<Option<Self>, Refused> {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.len() > 40 || !text.bytes().all(known) {
            return Err(Refused("expected up to 40 of a-z, 0-9 and -"));
        }
        Ok((!text.is_empty()).then(|| Self(text.to_owned())))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which items are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFilter {
    /// Only those with these words.
    pub text: Option<SearchText>,
    /// Only those with this tag.
    pub tag: Option<Tag>,
    /// The currency of prices.
    pub currency: Currency,
    /// Only those that cost this or more.
    pub min_price: Option<Decimal>,
    /// Only those that cost this or less.
    pub max_price: Option<Decimal>,
}

/// How a list of items is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemOrder {
    /// The newest first.
    Newest,
    /// The cheapest first.
    PriceAscending,
    /// The dearest first.
    PriceDescending,
    /// What sold best lately first.
    Bestselling,
    /// What matches best first.
    Relevance,
}

/// A list of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemQuery {
    /// Which.
    pub filter: ItemFilter,
    /// In what order.
    pub order: ItemOrder,
}

impl ItemQuery {
    /// A query; without an order that was asked for, by relevance when there
    /// are words to be relevant to, else the newest first.
    ///
    /// # Errors
    /// When relevance was asked for and there are no words.
    pub fn new(filter: ItemFilter, order: Option<ItemOrder>) -> Result<Self, Refused> {
        let order = match (order, &filter.text) {
            (Some(ItemOrder::Relevance), None) => {
                return Err(Refused("relevance needs a query"));
            }
            (Some(order), _) => order,
            (None, Some(_)) => ItemOrder::Relevance,
            (None, None) => ItemOrder::Newest,
        };
        Ok(Self { filter, order })
    }
}
