//! Who asks, and what is theirs.

use bff::identity::{
    Role,
    administration::{Actor, UserChange},
};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    helpers::Answer,
    life::house::{House, Person},
};

/// Four customers, and one of each role that sees more.
pub const PEOPLE: [&str; 6] = ["ann", "bob", "cat", "dan", "support", "admin"];
pub const ADMIN: usize = 5;

/// Someone, and what only their own answers may hold.
pub struct Someone {
    pub id: Uuid,
    email: String,
    pub role: Role,
    pub proofs: [(&'static str, String); 2],
    /// What paths name, by what they begin with.
    pub named: [(&'static str, Uuid); 5],
    pub marks: Vec<String>,
}

impl Someone {
    pub async fn new(house: &House, name: &str, admin: &Person) -> Self {
        let person = house.person(name).await;
        let (order, another) = (house.order(&person).await, house.order(&person).await);
        let (account, empty, transfer) = money(house, admin, &person.tokens.access).await;
        let item = sqlx::query_scalar("SELECT item_id FROM order_lines WHERE order_id = $1")
            .bind(order)
            .fetch_one(&mut house.orders_sql().await)
            .await
            .unwrap();
        let ids = [person.id, account, empty, order, another, transfer];
        let mut marks: Vec<_> = ids.iter().map(Uuid::to_string).collect();
        marks.extend([person.email.clone(), format!("{name}_name")]);
        let mut someone = Self {
            id: person.id,
            email: person.email,
            role: Role::Customer,
            proofs: Default::default(),
            named: [
                ("/v1/admin/users/", person.id),
                ("/v1/accounts/", account),
                ("/v1/orders/", order),
                ("/v1/transfers/", transfer),
                ("/v1/items/", item),
            ],
            marks,
        };
        someone.sign_in(house).await;
        let role = name.parse().unwrap_or(Role::Customer);
        someone.change_role(house, role, admin).await;
        someone
    }

    /// Gives a role to someone, who then signs in again: their sessions have ended.
    /// Returns whether it is another one.
    pub async fn change_role(&mut self, house: &House, role: Role, admin: &Person) -> bool {
        if role == self.role {
            return false;
        }
        if self.role == Role::Admin {
            // Whoever runs the program; nobody else may.
            let change = UserChange {
                role: Some(role),
                status: None,
            };
            let administration = &house.app.state.administration;
            let changed = administration.change(Actor::Operator, self.id, change);
            changed.await.unwrap();
        } else {
            let path = format!("/v1/admin/users/{}", self.id);
            let request = house.app.request(Method::PATCH, &path);
            let request = request.bearer_auth(&admin.tokens.access);
            let changed = Answer::of(request.json(&json!({ "role": role }))).await;
            changed.expect(StatusCode::OK);
        }
        self.role = role;
        self.sign_in(house).await;
        true
    }

    async fn sign_in(&mut self, house: &House) {
        let tokens = house.app.login(&self.email).await.tokens();
        let cookie = house.app.cookie(&self.email).await;
        self.proofs = [
            ("authorization", format!("Bearer {}", tokens.access)),
            ("cookie", cookie),
        ];
        self.marks.push(tokens.session);
    }
}

/// An account with money in it, an empty one, and the transfer that brought the money.
async fn money(house: &House, admin: &Person, token: &str) -> (Uuid, Uuid, Uuid) {
    let id = |of: &Value| of["id"].as_str().unwrap().parse().unwrap();
    let open = async |currency: &str| -> Uuid {
        let body = json!({ "currency": currency });
        let opened = house.app.post("/v1/accounts", Some(token), &body).await;
        id(&opened.expect(StatusCode::CREATED).json())
    };
    let (account, empty) = (open("USD").await, open("EUR").await);
    let path = format!("/v1/admin/accounts/{account}/deposit");
    let request = house.app.request(Method::POST, &path);
    let request = request
        .bearer_auth(&admin.tokens.access)
        .header("idempotency-key", account.to_string());
    let amount = json!({ "amount": "10.00", "currency": "USD" });
    let body = json!({ "amount": amount, "reason": "A test" });
    let made = Answer::of(request.json(&body)).await;
    let made = made.expect(StatusCode::CREATED).json();
    (account, empty, id(&made["transfer"]))
}
