//! What an answer has to be, whatever goes wrong: valid by the OpenAPI document,
//! and about nobody but who asked.

use std::{collections::HashMap, str::FromStr as _};

use anyhow::{Context as _, ensure};
use bff::edge::error::Code;
use http::{HeaderMap, Method, StatusCode, header};
use jsonschema::Validator;
use serde_json::{Value, json};

/// What may be asked, by method and path, as the document names it.
pub(crate) type Operation = (Method, &'static str);

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body, which is JSON when the answer is valid.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Whether nothing can be concluded from it but that it should be asked again.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.status.as_u16(), 503 | 504)
    }
}

/// The document, made ready.
#[derive(Debug)]
pub(crate) struct Contract {
    /// Of bodies, by method, path and status.
    bodies: HashMap<(String, String, String), Validator>,
    problem: Validator,
}

impl Contract {
    /// The edge's own document.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let document = Value::from_str(&bff::edge::router::openapi()?)?;
        let compile = |schema: &Value| {
            let mut schema = schema.clone();
            // What it refers to.
            schema["components"] = document["components"].clone();
            jsonschema::validator_for(&schema).context("a schema of the document")
        };
        let mut bodies = HashMap::new();
        for (path, operations) in document["paths"].as_object().context("paths")? {
            for (method, operation) in operations.as_object().context("methods")? {
                for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                    let schema = &response["content"]["application/json"]["schema"];
                    if !schema.is_null() {
                        let key = (method.to_uppercase(), path.clone(), status.clone());
                        bodies.insert(key, compile(schema)?);
                    }
                }
            }
        }
        let problem = compile(&json!({ "$ref": "#/components/schemas/Problem" }))?;
        Ok(Self { bodies, problem })
    }

    /// Whether an answer is what the document promises.
    pub(crate) fn check(&self, (method, path): &Operation, answer: &Answer) -> anyhow::Result<()> {
        let status = answer.status;
        if status == StatusCode::NOT_MODIFIED || status == StatusCode::NO_CONTENT {
            ensure!(answer.text.is_empty(), "a body");
            return Ok(());
        }
        let body: Value = serde_json::from_str(&answer.text).context("not JSON")?;
        let kind = answer.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok());
        if status.is_success() {
            ensure!(kind == Some("application/json"), "{kind:?}");
            let key = (
                method.to_string(),
                (*path).to_owned(),
                status.as_str().to_owned(),
            );
            let schema = self.bodies.get(&key).context("not in the document")?;
            return valid(schema, &body);
        }
        ensure!(kind == Some("application/problem+json"), "{kind:?}");
        valid(&self.problem, &body)?;
        let code = body["code"].as_str().and_then(Code::parse);
        let code = code.context("an unknown code")?;
        ensure!(code.status() == status, "{code:?} with {status}");
        let says_when = answer.headers.contains_key(header::RETRY_AFTER);
        ensure!(
            status != StatusCode::SERVICE_UNAVAILABLE || says_when,
            "no Retry-After"
        );
        Ok(())
    }
}

fn valid(schema: &Validator, body: &Value) -> anyhow::Result<()> {
    schema
        .validate(body)
        .map_err(|error| anyhow::anyhow!("{} at {}", error.masked(), error.instance_path()))
}
