//! stub
/// stub
pub const SOURCE: &str = "portico/accounts";
