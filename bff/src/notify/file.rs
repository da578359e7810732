//! Messages that are written to a directory instead of being sent.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use platform::consumer::Failure;
use tokio::io::AsyncWriteExt as _;
use url::Url;

/// The directory of a `file:///…` URL.
pub(super) fn directory(url: &Url) -> anyhow::Result<PathBuf> {
    url.to_file_path()
        .ok()
        .context("expected file:///directory")
}

/// Writes a message where only its owner reads it. Whoever watches the
/// directory sees it whole or not at all.
pub(super) async fn write(file: &Path, text: &[u8]) -> Result<(), Failure> {
    let draft = file.with_extension("draft");
    let written = async {
        if let Some(directory) = file.parent() {
            tokio::fs::create_dir_all(directory).await?;
        }
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut output = options.open(&draft).await?;
        output.write_all(text).await?;
        output.flush().await?;
        tokio::fs::rename(&draft, file).await
    };
    written
        .await
        .map_err(|error| Failure::Retry(format!("the message can't be written: {}", error.kind())))
}
