use std::{
    io,
    sync::Mutex,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::*;
use crate::testing::eventually;

/// Long enough for what is there to arrive.
const SOON: Duration = Duration::from_millis(150);

/// A server that answers what it is sent, and remembers it.
struct Echo {
    url: ServerUrl,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("tcp://{}", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let remembered = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let heard = remembered.clone();
                tokio::spawn(async move {
                    let mut bytes = [0; 64 * 1024];
                    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                        heard.lock().unwrap().extend_from_slice(&bytes[..read]);
                        if stream.write_all(&bytes[..read]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self {
            url: url.parse().unwrap(),
            heard,
        }
    }

    fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }
}

impl Proxy {
    async fn connect(&self) -> io::Result<TcpStream> {
        let port = self.url.expose().port().unwrap();
        TcpStream::connect(("127.0.0.1", port)).await
    }
}

async fn ask(stream: &mut TcpStream, question: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(question).await?;
    let mut answer = vec![0; question.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn assert_reset(answer: io::Result<Vec<u8>>) {
    assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn without_a_fault_everything_passes_and_ends_as_it_would() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.url);
    let mut stream = proxy.connect().await.unwrap();
    let question = vec![7; 300_000];
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let (sent, received) = tokio::join!(
        async {
            writing.write_all(&question).await?;
            writing.shutdown().await
        },
        reading.read_to_end(&mut answer),
    );
    sent.unwrap();
    assert_eq!(received.unwrap(), question.len());
    assert!(answer == question);
    drop(stream);
    eventually("it is over", async || proxy.open() == 0).await;
}

#[tokio::test]
async fn latency_is_added_to_each_answer_and_not_to_one_another() {
    let echo = Echo::start().await;
    let proxy = Proxy::seeded(&echo.url, 7);
    let delay = Duration::from_millis(100);
    let jitter = Duration::from_millis(20);
    proxy.set(Fault::Latency { delay, jitter });
    let mut stream = proxy.connect().await.unwrap();
    let began = Instant::now();
    ask(&mut stream, b"one").await.unwrap();
    assert!(began.elapsed() >= delay, "{:?}", began.elapsed());
    // What is sent side by side is late side by side.
    let began = Instant::now();
    for _ in 0..20 {
        stream.write_all(b"x").await.unwrap();
        tokio::task::yield_now().await;
    }
    stream.read_exact(&mut [0; 20]).await.unwrap();
    assert!(began.elapsed() < delay * 5, "{:?}", began.elapsed());
    proxy.heal();
    let began = Instant::now();
    ask(&mut stream, b"one").await.unwrap();
    assert!(began.elapsed() < delay, "{:?}", began.elapsed());
}

#[tokio::test]
async fn bandwidth_is_what_it_is_set_to() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.url);
    proxy.set(Fault::Bandwidth(100_000));
    let mut stream = proxy.connect().await.unwrap();
    let began = Instant::now();
    ask(&mut stream, &[1; 30_000]).await.unwrap();
    // The last step has arrived before it is used up.
    assert!(began.elapsed() >= SOON, "{:?}", began.elapsed());
    proxy.heal();
    let began = Instant::now();
    ask(&mut stream, &[1; 60_000]).await.unwrap();
    assert!(began.elapsed() < SOON * 3, "{:?}", began.elapsed());
}

#[tokio::test]
async fn nothing_passes_a_black_hole_until_it_is_over() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.url);
    let mut before = proxy.connect().await.unwrap();
    ask(&mut before, b"a").await.unwrap();
    proxy.set(Fault::BlackHole);
    let mut during = proxy.connect().await.unwrap();
    for stream in [&mut before, &mut during] {
        assert!(timeout(SOON, ask(stream, b"b")).await.is_err());
    }
    assert_eq!(echo.heard(), b"a");
    proxy.heal();
    for stream in [&mut before, &mut during] {
        let mut answer = [0];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"b", "it was on its way");
    }
}

#[tokio::test]
async fn what_is_refused_is_reset_and_taken_again_afterwards() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.url);
    let mut stream = proxy.connect().await.unwrap();
    ask(&mut stream, b"a").await.unwrap();
    for _ in 0..3 {
        proxy.set(Fault::Refuse);
        assert_reset(ask(&mut stream, b"b").await);
        eventually("it is refused", async || {
            let refused = proxy.connect().await.err();
            refused.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        })
        .await;
        proxy.heal();
        stream = eventually("it is taken", async || proxy.connect().await.ok()).await;
        ask(&mut stream, b"a").await.unwrap();
    }
}

#[tokio::test]
async fn a_cut_resets_what_there_is_and_nothing_else() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.url);
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = proxy.connect().await.unwrap();
        ask(&mut stream, b"a").await.unwrap();
        streams.push(stream);
    }
    assert_eq!(proxy.open(), 3);
    proxy.cut();
    for stream in &mut streams {
        let mut nothing = [0];
        let end = stream.read(&mut nothing).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
    let mut after = proxy.connect().await.unwrap();
    ask(&mut after, b"a").await.unwrap();
}

#[tokio::test]
async fn one_answer_gets_lost_after_the_server_had_the_request() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.url);
    let mut one = proxy.connect().await.unwrap();
    let mut other = proxy.connect().await.unwrap();
    proxy.set(Fault::LoseAnswer(Loss::to(b"COMMIT")));
    ask(&mut one, b"BEGIN;").await.unwrap();
    // Wherever it is divided.
    ask(&mut one, b"INSERT; COM").await.unwrap();
    assert_eq!(proxy.lost(), 0);
    assert_reset(ask(&mut one, b"MIT;").await);
    assert_eq!(proxy.lost(), 1);
    assert_eq!(echo.heard(), b"BEGIN;INSERT; COMMIT;");
    ask(&mut other, b"COMMIT;").await.unwrap();
    assert_eq!(proxy.lost(), 1, "it happens once");
}

#[tokio::test]
async fn an_answer_may_be_lost_from_its_middle_on_and_waited_for() {
    let echo = Echo::start().await;
    let proxy = Proxy::before(&echo.url);
    let mut stream = proxy.connect().await.unwrap();
    proxy.set(Fault::LoseAnswer(Loss {
        request: b"",
        answer: b"done",
        kept: 4,
    }));
    stream.write_all(b"half").await.unwrap();
    let mut kept = [0; 4];
    stream.read_exact(&mut kept).await.unwrap();
    assert_eq!(&kept, b"half");
    let more = timeout(SOON, ask(&mut stream, b"not yet")).await;
    assert!(more.is_err(), "nothing more arrives");
    assert_eq!(proxy.lost(), 0, "and nothing is over");
    assert_reset(ask(&mut stream, b"done").await);
    assert_eq!(proxy.lost(), 1);
}
