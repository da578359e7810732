//! orders-service
fn main() {}
