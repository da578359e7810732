use http::StatusCode;
use serde_json::Value;

use crate::helpers::{TestApp, eventually};

#[tokio::test]
async fn the_first_administrator_is_made_at_the_command_line() {
    let app = TestApp::start().await;
    let tokens = app.signed_in("ann@example.com").await;
    let promote = |who: &str| {
        let mut command = app.command(&["users", "promote", who]);
        command.output().unwrap()
    };
    let nobody = promote("nobody@example.com");
    assert!(!nobody.status.success());
    let done = promote("Ann@Example.com");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{done:?}");
    assert!(said.contains("is admin"), "{said}");
    eventually("the session without the role has ended", async || {
        !app.is_alive(&tokens).await
    })
    .await;
    let admin = app.login("ann@example.com").await.expect(StatusCode::OK);
    let admin = admin.tokens().access;
    app.get("/v1/admin/users", Some(&admin))
        .await
        .expect(StatusCode::OK);
    let line = app.get("/v1/admin/audit?event=user.role_changed", Some(&admin));
    assert_eq!(line.await.json()["items"][0]["actor_id"], Value::Null);
}
