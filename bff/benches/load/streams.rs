//! What streams cost that are open while nothing happens.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    process::Process,
    report,
    stand::Stand,
    visitor::{Script, Visitor, get},
};

const STREAMS: usize = 5_000;
/// How long they are open before memory is looked at: more than a heartbeat.
const OPEN_FOR: Duration = Duration::from_secs(20);

/// Memory of the edge with all streams open, in bytes.
#[derive(Debug)]
pub(crate) struct Streams {
    memory: u64,
}

impl Streams {
    pub(crate) fn rows(&self) -> [String; 1] {
        let what = format!("memory, {STREAMS} idle streams of events open");
        [report::memory(&what, self.memory, 200)]
    }
}

pub(crate) async fn measure(stand: &Stand) -> anyhow::Result<Streams> {
    report::progress("streams");
    let mut streams = Vec::with_capacity(STREAMS);
    for user in stand.people.users.iter().cycle().take(STREAMS) {
        let mut stream = TcpStream::connect(stand.streaming.address).await?;
        let request = get("/v1/events", &[("authorization", &user.bearer())]);
        stream.write_all(&request).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.context("an answer")?;
        ensure!(head.ends_with(b"200"), "{}", String::from_utf8_lossy(&head));
        streams.push(stream);
    }
    tokio::time::sleep(OPEN_FOR).await;
    let memory = stand.streaming.memory()?.now;
    let standing = open(&stand.streaming).await?;
    ensure!(standing == STREAMS, "{standing} of {STREAMS} are open");
    Ok(Streams { memory })
}

/// Streams that are open, as the edge says itself.
async fn open(edge: &Process) -> anyhow::Result<usize> {
    let address = edge.variable("BFF_OPS__LISTEN").context("its operations")?;
    let ask = Script::Same(get("/metrics", &[]));
    let mut operations = Visitor::connect(address.parse()?, ask).await?;
    let metrics = std::str::from_utf8(operations.ask().await?.body)?;
    let gauge = |line: &str| line.strip_prefix("event_streams_open ")?.parse().ok();
    let open = metrics.lines().find_map(gauge);
    open.context("it doesn't say how many streams are open")
}
