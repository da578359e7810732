//! Who asks, and what is theirs.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    helpers::Answer,
    life::house::{House, Person},
};

/// Four customers, and one of each role that sees more.
pub const PEOPLE: [&str; 6] = ["ann", "bob", "cat", "dan", "support", "admin"];
pub const CUSTOMERS: usize = 4;

/// Someone, and what only their own answers may hold.
pub struct Someone {
    pub proofs: [(&'static str, String); 2],
    /// What paths name, and what stands for it in them.
    pub named: [(&'static str, Uuid); 5],
    pub marks: Vec<String>,
}

pub async fn someone(house: &House, name: &str, admin: &Person) -> Someone {
    let person = house.person(name).await;
    if ["support", "admin"].contains(&name) {
        sqlx::query("UPDATE users SET role = $2::user_role WHERE id = $1")
            .bind(person.id)
            .bind(name)
            .execute(&mut house.app.superuser().await)
            .await
            .unwrap();
    }
    let tokens = house.app.login(&person.email).await.tokens();
    let cookie = house.app.cookie(&person.email).await;
    let order = house.order(&person).await;
    let (account, transfer) = money(house, admin, &tokens.access).await;
    let item = sqlx::query_scalar("SELECT item_id FROM order_lines WHERE order_id = $1")
        .bind(order)
        .fetch_one(&mut house.orders_sql().await)
        .await
        .unwrap();
    Someone {
        marks: vec![
            person.id.to_string(),
            person.email,
            format!("{name}_name"),
            account.to_string(),
            order.to_string(),
            transfer.to_string(),
            tokens.session,
        ],
        proofs: [
            ("authorization", format!("Bearer {}", tokens.access)),
            ("cookie", cookie),
        ],
        named: [
            ("{user}", person.id),
            ("{account}", account),
            ("{order}", order),
            ("{transfer}", transfer),
            ("{item}", item),
        ],
    }
}

/// An account with money in it, and the transfer that brought it.
async fn money(house: &House, admin: &Person, token: &str) -> (Uuid, Uuid) {
    let id = |of: &Value| of["id"].as_str().unwrap().parse().unwrap();
    let body = json!({ "currency": "USD" });
    let opened = house.app.post("/v1/accounts", Some(token), &body).await;
    let account: Uuid = id(&opened.expect(StatusCode::CREATED).json());
    let path = format!("/v1/admin/accounts/{account}/deposit");
    let request = house.app.request(Method::POST, &path);
    let request = request
        .bearer_auth(&admin.tokens.access)
        .header("idempotency-key", account.to_string());
    let amount = json!({ "amount": "10.00", "currency": "USD" });
    let body = json!({ "amount": amount, "reason": "A test" });
    let made = Answer::of(request.json(&body)).await;
    let made = made.expect(StatusCode::CREATED).json();
    (account, id(&made["transfer"]))
}
