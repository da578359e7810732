//! bff
fn main() {}
