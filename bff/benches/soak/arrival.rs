//! Everyone comes in and is given money, while all is well.

use anyhow::Context as _;
use http::Method;
use serde_json::json;

use super::{edge::Edge, guest::Guest};

/// So much that most transfers find enough.
const FORTUNE: &str = "1000.00";

const DEPOSIT: &str = "/v1/admin/accounts/{id}/deposit";

/// Signs everyone in. The first of the people is an admin, and no guest.
pub(crate) async fn of_everyone(
    edge: &Edge,
    password: &'static str,
    seed: u64,
) -> anyhow::Result<Vec<Guest>> {
    let admin = Guest::arrive(edge, 0, password, seed).await?;
    let (mut guests, mut accounts) = (Vec::new(), Vec::new());
    for who in 1..edge.people().len() {
        let guest = Guest::arrive(edge, who, password, seed).await?;
        let account = guest.account().await?;
        let path = DEPOSIT.replace("{id}", &account);
        let body = json!({
            "amount": { "amount": FORTUNE, "currency": "USD" },
            "reason": "A soak",
        });
        let request = edge.request(&Method::POST, &path);
        let request = request
            .header("authorization", admin.bearer())
            .header("idempotency-key", &account)
            .json(&body);
        let answer = edge.ask(0, &(Method::POST, DEPOSIT), request, &[201]).await;
        answer
            .filter(|answer| answer.status == 201)
            .context("a deposit")?;
        guests.push(guest);
        accounts.push(account);
    }
    for (guest, own) in guests.iter_mut().zip(&accounts) {
        let others = accounts.iter().filter(|account| *account != own);
        guest.pays(own.clone(), others.cloned().collect());
    }
    Ok(guests)
}
