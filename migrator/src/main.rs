//! migrator
fn main() {}
