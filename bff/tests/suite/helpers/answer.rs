use http::StatusCode;
use serde_json::Value;

/// An access token and a refresh token.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub session: String,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Sends a request.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await.expect("a body").to_vec();
        Self {
            status,
            headers,
            bytes,
        }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    /// The problem's code.
    pub fn code(&self) -> String {
        assert_eq!(
            self.header("content-type").as_deref(),
            Some("application/problem+json")
        );
        self.json()["code"].as_str().expect("a code").to_owned()
    }

    /// The pointers of a problem's fields.
    pub fn pointers(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        errors
            .iter()
            .map(|error| error["pointer"].as_str().expect("a pointer").to_owned())
            .collect()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    /// What of the answer could tell anything to who asked, in whichever way:
    /// status, body and headers, but for what is another one in every answer.
    pub fn telling(&self) -> (StatusCode, Option<Value>, Vec<(String, String)>) {
        let mut json: Option<Value> = serde_json::from_slice(&self.bytes).ok();
        if let Some(id) = json.as_mut().and_then(|json| json.get_mut("request_id")) {
            id.take();
        }
        let every = ["date", "x-request-id", "ratelimit"];
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            let value = if every.contains(&name.as_str()) {
                "another one"
            } else {
                value.to_str().expect("text")
            };
            (name.to_string(), value.to_owned())
        };
        let mut headers: Vec<_> = self.headers.iter().map(header).collect();
        headers.sort_unstable();
        (self.status, json, headers)
    }

    /// Goes on if the status is this one.
    #[track_caller]
    pub fn expect(self, status: StatusCode) -> Self {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        self
    }

    /// The tokens of a sign-in or a refresh.
    pub fn tokens(&self) -> Tokens {
        let json = self.json();
        let text = |name: &str| {
            json[name]
                .as_str()
                .unwrap_or_else(|| panic!("{name}: {json}"))
                .to_owned()
        };
        Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
            session: text("session_id"),
        }
    }
}
