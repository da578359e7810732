/// Why a database wasn't filled. It is then as it was before.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// It can't be connected to.
    #[error("{url} can't be reached: {reason}")]
    Unreachable {
        /// The database, its password masked.
        url: String,
        /// What the connection says.
        reason: String,
    },
    /// It was filled before, with other parameters.
    #[error(
        "{url} was already filled with other parameters; take an empty database to fill anew\n  there: {there}\n  asked: {asked}"
    )]
    SeededOtherwise {
        /// The database, its password masked.
        url: String,
        /// The parameters that it was filled with.
        there: String,
        /// Those of this time.
        asked: String,
    },
    /// A table or column isn't there.
    #[error("the schema isn't there, or of another version ({0}): run `migrator up` first")]
    Schema(sqlx::Error),
    /// The server refused something else.
    #[error(transparent)]
    Database(sqlx::Error),
    /// A row couldn't be written down.
    #[error("a row can't be written: {0}")]
    Row(#[from] csv::Error),
    /// The demo user's password couldn't be hashed.
    #[error("the demo user's password can't be hashed: {0}")]
    Hash(#[from] argon2::password_hash::Error),
}

impl From<sqlx::Error> for SeedError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|refusal| refusal.code());
        match code.as_deref() {
            // No such table, column or type.
            Some("42P01" | "42703" | "42704") => Self::Schema(error),
            _ => Self::Database(error),
        }
    }
}

impl From<std::io::Error> for SeedError {
    fn from(error: std::io::Error) -> Self {
        Self::Row(error.into())
    }
}
