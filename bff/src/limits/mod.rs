//! stub
use serde::{Deserialize, Serialize};
/// stub
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LimitSettings {}
