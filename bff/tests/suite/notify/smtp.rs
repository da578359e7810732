//! A mail server that speaks just enough SMTP, and answers as it is told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// A mail that was taken or refused at its end.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    pub text: String,
    pub answer: &'static str,
}

#[derive(Clone)]
pub struct Smtp {
    port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
}

impl Smtp {
    /// Answers the first mails with these lines, and takes all later ones.
    pub async fn answering(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            mails: Arc::default(),
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
        };
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = accepting.clone();
                tokio::spawn(async move { server.talk(client).await });
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// The mails that it took.
    pub fn taken(&self) -> Vec<Mail> {
        let mut mails = self.mails.lock().unwrap().clone();
        mails.retain(|mail| mail.answer.starts_with('2'));
        mails
    }

    /// How many it was given, taken or not.
    pub fn given(&self) -> usize {
        self.mails.lock().unwrap().len()
    }

    async fn talk(&self, client: TcpStream) -> std::io::Result<()> {
        let (input, mut output) = client.into_split();
        let mut lines = BufReader::new(input).lines();
        output.write_all(b"220 mail.test\r\n").await?;
        let mut to = String::new();
        while let Some(line) = lines.next_line().await? {
            let verb = line
                .split([' ', ':'])
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase();
            let answer = match verb.as_str() {
                "EHLO" => "250-mail.test\r\n250 8BITMIME",
                "RCPT" => {
                    to = line;
                    "250 ok"
                }
                "DATA" => {
                    output.write_all(b"354 go on\r\n").await?;
                    let mut text = String::new();
                    while let Some(line) = lines.next_line().await? {
                        if line == "." {
                            break;
                        }
                        text.push_str(&line);
                        text.push('\n');
                    }
                    self.take(&to, text)
                }
                "QUIT" => "221 bye",
                _ => "250 ok",
            };
            output.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }

    fn take(&self, to: &str, text: String) -> &'static str {
        let answer = self
            .answers
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or("250 taken");
        let to = to.to_owned();
        self.mails.lock().unwrap().push(Mail { to, text, answer });
        answer
    }
}
