//! The edge, as a guest sees it: every answer is looked at.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::RequestBuilder;
use uuid::Uuid;

use super::contract::{Answer, Contract, Operation};

/// Mistakes that are told in full; all are counted.
const TOLD: usize = 20;

/// Characters of an answer that are shown.
const SHOWN: usize = 500;

/// Someone who asks, and what only their own answers may hold.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) email: String,
}

/// What all guests share. Cloning is one reference count.
#[derive(Debug, Clone)]
pub(crate) struct Edge(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    url: String,
    http: reqwest::Client,
    contract: Contract,
    people: Vec<Person>,
    tally: Mutex<Tally>,
}

/// What came of all requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// By operation and status.
    pub(crate) answers: BTreeMap<String, u64>,
    pub(crate) mistakes: Vec<String>,
    pub(crate) mistakes_in_all: u64,
}

impl Tally {
    pub(crate) fn asked(&self) -> u64 {
        self.answers.values().sum()
    }

    /// Answers with a status that begins so.
    pub(crate) fn with_status(&self, begin: &str) -> u64 {
        let status = |key: &str| {
            key.rsplit(' ')
                .next()
                .is_some_and(|one| one.starts_with(begin))
        };
        let all = self.answers.iter().filter(|(key, _)| status(key));
        all.map(|(_, count)| count).sum()
    }
}

impl Edge {
    pub(crate) fn new(
        url: &str,
        http: reqwest::Client,
        people: Vec<Person>,
    ) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Shared {
            url: url.to_owned(),
            http,
            contract: Contract::new()?,
            people,
            tally: Mutex::default(),
        })))
    }

    /// Everyone.
    pub(crate) fn people(&self) -> &[Person] {
        &self.0.people
    }

    /// A request, unsent.
    pub(crate) fn request(&self, method: &http::Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.0.url);
        self.0.http.request(method.clone(), url)
    }

    /// Sends a request, and looks at the answer: it is one of `wanted`, or says
    /// that something is away. None is a mistake.
    pub(crate) async fn ask(
        &self,
        who: usize,
        operation: &Operation,
        request: RequestBuilder,
        wanted: &[u16],
    ) -> Option<Answer> {
        let name = format!("{} {}", operation.0, operation.1);
        let answer = match read(request).await {
            Ok(answer) => answer,
            Err(error) => {
                self.mistake(format!("{name}: {error:?}"));
                return None;
            }
        };
        let status = answer.status.as_u16();
        *self
            .tally()
            .answers
            .entry(format!("{name} {status}"))
            .or_default() += 1;
        let verdict = self.0.contract.check(operation, &answer);
        if let Err(error) = verdict {
            let text: String = answer.text.chars().take(SHOWN).collect();
            self.mistake(format!("{name} {status}: {error:#}: {text}"));
        }
        if !wanted.contains(&status) && !answer.is_transient() {
            self.mistake(format!("{name}: {status}: {}", answer.text));
        }
        for (other, person) in self.0.people.iter().enumerate() {
            let told =
                answer.text.contains(&person.email) || answer.text.contains(&person.id.to_string());
            if other != who && told {
                self.mistake(format!("{name}: {who} sees {other}: {}", answer.text));
            }
        }
        Some(answer)
    }

    /// Sends a request, and leaves when nothing has come of it by then.
    pub(crate) async fn leave(&self, request: RequestBuilder, after: Duration) {
        // Whatever came of it is found out later, or not at all.
        let _ = request.timeout(after).send().await;
    }

    /// Something that must not be.
    pub(crate) fn mistake(&self, what: String) {
        let mut tally = self.tally();
        tally.mistakes_in_all += 1;
        if tally.mistakes.len() < TOLD {
            tally.mistakes.push(what);
        }
    }

    /// What came of all requests so far.
    pub(crate) fn told(&self) -> Tally {
        self.tally().clone()
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(request: RequestBuilder) -> reqwest::Result<Answer> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await?;
    Ok(Answer {
        status,
        headers,
        text,
    })
}
