//! Where each provider tells who its person is.

use axum::{
    Form, Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use ring::hmac;
use serde_json::json;

use super::{
    fault::Fault,
    provider::{CLIENT_ID, CLIENT_SECRET, Pairs, Person, Provider, huge},
};

impl Provider {
    /// The person, for someone who holds a token that was made by `name`.
    async fn person(&self, name: &str, token: &str) -> Result<(Person, Option<Fault>), Response> {
        let fault = self.called("data");
        match fault {
            Some(Fault::DataFails) => return Err(StatusCode::BAD_GATEWAY.into_response()),
            Some(Fault::DataRefused) => return Err(StatusCode::UNAUTHORIZED.into_response()),
            Some(Fault::DataHangs) => std::future::pending::<()>().await,
            Some(Fault::DataIsHuge) => return Err(huge()),
            Some(Fault::DataWithoutId) => return Err(Json(json!({})).into_response()),
            _ => {}
        }
        let script = self.script.lock().unwrap();
        if script.tokens.get(token).is_none_or(|maker| *maker != name) {
            return Err(StatusCode::FORBIDDEN.into_response());
        }
        Ok((script.person.clone(), fault))
    }
}

pub async fn facebook_me(State(provider): State<Provider>, Query(query): Query<Pairs>) -> Response {
    let token = &query["access_token"];
    let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
    let proof = hmac::sign(&key, token.as_bytes());
    let proof: String = proof.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    if query.get("appsecret_proof") != Some(&proof) || query["fields"] != "id,name,email" {
        return StatusCode::BAD_REQUEST.into_response();
    }
    match provider.person("facebook", token).await {
        Ok((person, _)) => {
            let mut me = json!({ "id": person.subject, "name": person.name });
            if let Some(email) = person.email {
                me["email"] = email.into();
            }
            Json(me).into_response()
        }
        Err(answer) => answer,
    }
}

pub async fn vk_user_info(State(provider): State<Provider>, Form(form): Form<Pairs>) -> Response {
    if form["client_id"] != CLIENT_ID {
        return StatusCode::BAD_REQUEST.into_response();
    }
    match provider.person("vk", &form["access_token"]).await {
        Ok((person, _)) => Json(json!({ "user": {
            "user_id": person.subject, "first_name": "Ann", "last_name": "Lee",
            "email": person.email, "verified": true,
        } }))
        .into_response(),
        Err(answer) => answer,
    }
}

pub async fn yandex_info(
    State(provider): State<Provider>,
    Path(path): Path<String>,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Response {
    assert_eq!((path.as_str(), query["format"].as_str()), ("info", "json"));
    let authorization = headers[header::AUTHORIZATION].to_str().unwrap();
    let token = authorization.strip_prefix("OAuth ").unwrap();
    match provider.person("yandex", token).await {
        Ok((person, fault)) => {
            let client_id = match fault {
                Some(Fault::ClientId) => "someone-else",
                _ => CLIENT_ID,
            };
            Json(json!({
                "id": person.subject, "client_id": client_id, "login": "ann",
                "default_email": person.email, "real_name": person.name,
            }))
            .into_response()
        }
        Err(answer) => answer,
    }
}
