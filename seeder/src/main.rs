//! seeder
fn main() {}
