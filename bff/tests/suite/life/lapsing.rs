//! Who was deactivated and didn't come back.

use chrono::TimeDelta;
use http::StatusCode;

use super::house::{House, Person};
use crate::helpers::eventually;

async fn status(house: &House, person: &Person) -> String {
    let status = sqlx::query_scalar("SELECT status::text FROM users WHERE id = $1");
    let mut sql = house.app.superuser().await;
    status.bind(person.id).fetch_one(&mut sql).await.unwrap()
}

#[tokio::test]
async fn who_doesnt_come_back_in_time_is_deleted_and_erased_unless_money_is_there() {
    let house = House::new().await;
    let app = &house.app;
    let (ann, bob) = (house.person("ann").await, house.person("bob").await);
    let (cora, dan) = (house.person("cora").await, house.person("dan").await);
    house.account(&ann, "0", "0").await;
    house.account(&bob, "12.30", "0").await;
    house.account(&cora, "12.30", "12.30").await;
    for person in [&ann, &bob, &cora] {
        house
            .deactivate(person)
            .await
            .expect(StatusCode::NO_CONTENT);
    }
    app.advance(TimeDelta::days(1));
    let back = app.login(&dan.email).await.expect(StatusCode::OK).tokens();
    let late = Person {
        tokens: back,
        ..dan
    };
    house.deactivate(&late).await.expect(StatusCode::NO_CONTENT);
    app.advance(TimeDelta::days(29) + TimeDelta::minutes(1));
    let _worker = app.worker().await;
    eventually("she is erased", async || {
        (status(&house, &ann).await == "erased").then_some(())
    })
    .await;
    assert_eq!(status(&house, &bob).await, "deactivated", "there is money");
    assert_eq!(
        status(&house, &cora).await,
        "deactivated",
        "money is set aside"
    );
    assert_eq!(status(&house, &late).await, "deactivated", "a day is left");
    app.login(&late.email).await.expect(StatusCode::OK);
    let said: String = sqlx::query_scalar(
        "SELECT string_agg(event || coalesce(actor_id::text, ''), ' ' ORDER BY at, id) FROM audit_log
         WHERE user_id = $1 AND event IN ('user.deletion_requested', 'user.erased')",
    )
    .bind(ann.id)
    .fetch_one(&mut app.superuser().await)
    .await
    .unwrap();
    assert_eq!(said, "user.deletion_requested user.erased");
    eventually("the orders service heard of it", async || {
        let heard =
            sqlx::query("SELECT FROM departures WHERE user_id = $1 AND erased_at IS NOT NULL");
        let mut sql = house.orders_sql().await;
        heard.bind(ann.id).fetch_optional(&mut sql).await.unwrap()
    })
    .await;
}
