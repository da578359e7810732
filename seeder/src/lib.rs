//! seeder
