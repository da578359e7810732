//! One visitor: a connection, and what is asked over it. HTTP/1.1 written and
//! read by hand, because the load shares the cores with what it measures.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

/// What a visitor asks, again and again.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// The same each time.
    Same(Bytes),
    /// A new pair of tokens for the one before.
    Refresh(String),
    /// A transfer of some cents.
    Pay(Payer),
}

/// Who pays whom.
#[derive(Debug, Clone)]
pub(crate) struct Payer {
    pub(crate) bearer: String,
    pub(crate) from: Uuid,
    /// One of these, the own account apart.
    pub(crate) to: Arc<[Uuid]>,
}

impl Payer {
    fn transfer(&self) -> Bytes {
        let mut random = rand::rng();
        let to = loop {
            let to = self.to[random.random_range(0..self.to.len())];
            if to != self.from {
                break to;
            }
        };
        let amount = format!(
            "{}.{:02}",
            random.random_range(0..3),
            random.random_range(1..100)
        );
        let body = json!({
            "from_account_id": self.from,
            "to_account_id": to,
            "amount": { "amount": amount, "currency": "USD" },
        });
        let key = Uuid::from_u128(random.random()).to_string();
        let headers = [
            ("authorization", self.bearer.as_str()),
            ("idempotency-key", &key),
        ];
        post_with("/v1/transfers", &headers, &body)
    }
}

#[derive(Debug)]
pub(crate) struct Visitor {
    address: SocketAddr,
    stream: TcpStream,
    script: Script,
    buffer: BytesMut,
}

/// An answer; its body is in the visitor's buffer.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) head: &'a str,
    pub(crate) body: &'a [u8],
}

impl Visitor {
    pub(crate) async fn connect(address: SocketAddr, script: Script) -> anyhow::Result<Self> {
        Ok(Self {
            address,
            stream: open(address).await?,
            script,
            buffer: BytesMut::with_capacity(64 * 1024),
        })
    }

    /// Over a new connection, since the old one is of no more use.
    pub(crate) async fn connect_again(&mut self) -> anyhow::Result<()> {
        self.stream = open(self.address).await?;
        Ok(())
    }

    /// Asks once, and reads the answer to its end.
    pub(crate) async fn ask(&mut self) -> anyhow::Result<Answer<'_>> {
        let request = match &self.script {
            Script::Same(request) => request.clone(),
            Script::Refresh(token) => {
                let body = json!({ "refresh_token": token });
                post("/v1/auth/refresh", &body)
            }
            Script::Pay(payer) => payer.transfer(),
        };
        self.stream.write_all(&request).await?;
        self.buffer.clear();
        let head = loop {
            self.read().await?;
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let (status, length) = parse(&self.buffer[..head])?;
        while self.buffer.len() < head + length {
            self.read().await?;
        }
        if let (Script::Refresh(token), 200) = (&mut self.script, status) {
            let pair: Value = serde_json::from_slice(&self.buffer[head..])?;
            let next = pair["refresh_token"].as_str().context("a refresh token")?;
            next.clone_into(token);
        }
        let (head, body) = self.buffer.split_at(head);
        Ok(Answer {
            status,
            head: std::str::from_utf8(head)?,
            body,
        })
    }

    /// Asks until an answer has an entity tag: one that is shown while it is
    /// fetched anew has none.
    pub(crate) async fn etag(&mut self) -> anyhow::Result<String> {
        for _ in 0..100 {
            if let Some(tag) = self.ask().await?.header("etag") {
                return Ok(tag.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("no answer had an entity tag")
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        self.buffer.reserve(16 * 1024);
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the server hung up");
        Ok(())
    }
}

async fn open(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Answer<'_> {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

fn parse(head: &[u8]) -> anyhow::Result<(u16, usize)> {
    let head = std::str::from_utf8(head)?;
    let status = head.get(9..12).context("a status")?.parse()?;
    let length = match (header(head, "content-length"), status) {
        (Some(length), _) if status != 304 => length.parse()?,
        (_, 204 | 304) => 0,
        _ => bail!("an answer without a length: {head}"),
    };
    Ok((status, length))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A `GET`, with these further headers.
pub(crate) fn get(path: &str, headers: &[(&str, &str)]) -> Bytes {
    request("GET", path, headers, "")
}

/// A `POST` of JSON.
pub(crate) fn post(path: &str, body: &Value) -> Bytes {
    post_with(path, &[], body)
}

fn post_with(path: &str, headers: &[(&str, &str)], body: &Value) -> Bytes {
    with_body("POST", path, headers, body)
}

/// A `PATCH` of JSON.
pub(crate) fn patch(path: &str, headers: &[(&str, &str)], body: &Value) -> Bytes {
    with_body("PATCH", path, headers, body)
}

fn with_body(method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Bytes {
    let body = body.to_string();
    let length = body.len().to_string();
    let mut all = vec![
        ("content-type", "application/json"),
        ("content-length", &length),
    ];
    all.extend(headers);
    request(method, path, &all, &body)
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Bytes {
    let mut request = BytesMut::new();
    request.put(format!("{method} {path} HTTP/1.1\r\nhost: portico.example\r\n").as_bytes());
    for (name, value) in headers {
        request.put(format!("{name}: {value}\r\n").as_bytes());
    }
    request.put(&b"\r\n"[..]);
    request.put(body.as_bytes());
    request.freeze()
}
