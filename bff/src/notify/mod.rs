//! stub
use crate::identity::{code::Purpose, identifier::Address};
use platform::clock::Clock;
use sqlx::PgExecutor;
/// stub
#[derive(Debug, Clone)]
pub struct Sealer;
impl Sealer {
    /// stub
    pub fn new(_: [u8; 32]) -> Self {
        Self
    }
}
/// stub
pub struct Message;
impl Message {
    /// stub
    pub fn code(_: &Address, _: Purpose, _: String, _: chrono::DateTime<chrono::Utc>) -> Self {
        Self
    }
}
/// stub
/// # Errors
/// stub
pub async fn enqueue(
    _: impl PgExecutor<'_>,
    _: &Sealer,
    _: &Message,
    _: &dyn Clock,
) -> sqlx::Result<()> {
    Ok(())
}
