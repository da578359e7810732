use csv::WriterBuilder;
use serde::Serialize;
use sqlx::PgConnection;

use crate::{Progress, SeedError};

/// Rows that are sent at once.
const BATCH: usize = 2_000;

/// Copies `count` rows into a table. A row's fields are named like the columns
/// they are for; a field without a value becomes NULL.
pub(crate) async fn copy<R: Serialize>(
    connection: &mut PgConnection,
    progress: &Progress,
    table: &str,
    count: usize,
    rows: impl Iterator<Item = R>,
) -> Result<(), SeedError> {
    let task = progress.begin(table, count);
    let mut rows = rows.peekable();
    if let Some(first) = rows.peek() {
        let columns = columns(first)?;
        let statement = format!("COPY {table} ({columns}) FROM STDIN (FORMAT csv)");
        let mut sink = connection.copy_in_raw(&statement).await?;
        while rows.peek().is_some() {
            let mut batch = WriterBuilder::new()
                .has_headers(false)
                .from_writer(Vec::new());
            let mut sent = 0;
            for row in rows.by_ref().take(BATCH) {
                batch.serialize(row)?;
                sent += 1;
            }
            sink.send(batch.into_inner().map_err(|error| error.into_error())?)
                .await?;
            task.advance(sent);
        }
        sink.finish().await?;
    }
    task.end();
    Ok(())
}

/// The names of a row's fields.
fn columns<R: Serialize>(row: &R) -> Result<String, SeedError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.serialize(row)?;
    let text = writer.into_inner().map_err(|error| error.into_error())?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}
