use futures::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use oauth2::AsyncHttpClient;
use reqwest::Client;
use serde::de::DeserializeOwned;
use url::{Url, form_urlencoded};

use super::{Failure, ProviderName, settings::OAuthSettings};
use crate::upstream::{CallError, Deadline, Guard, Guards, Policy};

/// The longest answer that is read: providers' own are a few KiB.
const MAX_ANSWER: usize = 128 * 1024;

/// Calls to one provider, guarded. What a provider says is never logged, and
/// neither is a URL: both may hold tokens.
#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    guard: Guard,
}

impl Http {
    pub(super) fn new(
        provider: ProviderName,
        settings: &OAuthSettings,
        client: Client,
        guards: &Guards,
    ) -> Self {
        let limit = settings.timeout_ms.duration();
        // Codes are good once: nothing is tried again.
        let policy = Policy {
            concurrency: settings.concurrency,
            wait: limit / 10,
            retries: 0,
            hedge: false,
            patience: limit / 4,
        };
        let name = [provider.as_str(), "oauth"];
        let guard = Guard::new(name, policy, &settings.breaker, guards);
        Self { client, guard }
    }

    /// Sends a request. An answer that refuses it is an answer; one that says
    /// that the provider doesn't work is none.
    ///
    /// # Errors
    /// [`CallError`], without anything that was sent or received.
    pub(super) async fn send(
        &self,
        request: Request<Vec<u8>>,
        deadline: Deadline,
    ) -> Result<Response<Vec<u8>>, CallError> {
        self.guard
            .call(deadline, || self.once(request.clone()))
            .await
    }

    async fn once(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, CallError> {
        let request = reqwest::Request::try_from(request).map_err(broken)?;
        let mut answer = self.client.execute(request).await.map_err(broken)?;
        let status = answer.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(CallError::Overloaded { retry_after: None });
        }
        if status.is_server_error() {
            return Err(CallError::unavailable(format_args!("it answered {status}")));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(CallError::unavailable("its answer has no end"));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// Asks for a JSON document.
    ///
    /// # Errors
    /// When there is no answer, or another.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        request: Request<Vec<u8>>,
        deadline: Deadline,
    ) -> Result<T, Failure> {
        let answer = self.send(request, deadline).await?;
        if answer.status() != StatusCode::OK {
            return Err(Failure::Answer("it refused to tell"));
        }
        serde_json::from_slice(answer.body()).map_err(|_| Failure::Answer("unreadable JSON"))
    }

    /// For the protocol's own requests.
    pub(super) fn until(&self, deadline: Deadline) -> Until<'_> {
        Until {
            http: self,
            deadline,
        }
    }
}

fn broken(error: reqwest::Error) -> CallError {
    if error.is_timeout() {
        CallError::DeadlineExceeded
    } else {
        CallError::unavailable(error.without_url())
    }
}

/// The adapter between the protocol's crate and our client.
pub(super) struct Until<'a> {
    http: &'a Http,
    deadline: Deadline,
}

impl<'c> AsyncHttpClient<'c> for Until<'_> {
    type Error = CallError;
    type Future = BoxFuture<'c, Result<Response<Vec<u8>>, CallError>>;

    fn call(&'c self, request: Request<Vec<u8>>) -> Self::Future {
        Box::pin(self.http.send(request, self.deadline))
    }
}

/// `GET`.
pub(super) fn get(url: &Url) -> Result<Request<Vec<u8>>, Failure> {
    build(Method::GET, url, Vec::new())
}

/// `POST` of a form.
pub(super) fn post(url: &Url, form: &[(&str, &str)]) -> Result<Request<Vec<u8>>, Failure> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    let body = body.extend_pairs(form).finish().into_bytes();
    let mut request = build(Method::POST, url, body)?;
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, form);
    Ok(request)
}

/// A URL may be longer than a URI, and parts of it come from the provider.
fn build(method: Method, url: &Url, body: Vec<u8>) -> Result<Request<Vec<u8>>, Failure> {
    Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(header::ACCEPT, "application/json")
        .body(body)
        .map_err(|_| Failure::Answer("it makes a URL that can't be asked"))
}

/// `base` and a path below it.
pub(super) fn below(base: &Url, path: &str) -> Result<Url, url::ParseError> {
    Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/')))
}
