use crate::{helpers::eventually, messaging::Messaging};

#[tokio::test]
async fn the_audit_trail_is_kept_for_a_year() {
    let messaging = Messaging::new().await;
    sqlx::raw_sql(
        "INSERT INTO audit_log (id, at, event)
         SELECT gen_random_uuid(), now() - days * interval '1 day', 'session.opened'
         FROM generate_series(0, 2400) AS days",
    )
    .execute(&messaging.superuser)
    .await
    .unwrap();
    messaging.start_worker();
    let old = "SELECT count(*) FROM audit_log WHERE at < now() - interval '366 days'";
    eventually("what is older is gone", async || {
        messaging.count(old).await == 0
    })
    .await;
    let kept = messaging.count("SELECT count(*) FROM audit_log").await;
    assert!((365..=367).contains(&kept), "{kept}");
    messaging.finish().await;
}

#[tokio::test]
async fn the_edge_cannot_wipe_its_tracks() {
    let messaging = Messaging::new().await;
    let written = "INSERT INTO audit_log (id, at, event)
                   VALUES (gen_random_uuid(), now() - interval '29 days', 'session.opened')";
    sqlx::query(written).execute(&messaging.pool).await.unwrap();
    let refused = sqlx::query("DELETE FROM audit_log")
        .execute(&messaging.pool)
        .await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("permission denied")
    );
    let everything = "SELECT audit_log_sweep(now() + interval '1 day')";
    sqlx::query(everything)
        .execute(&messaging.pool)
        .await
        .unwrap();
    assert_eq!(messaging.count("SELECT count(*) FROM audit_log").await, 1);
    messaging.finish().await;
}

#[tokio::test]
async fn a_user_who_can_not_be_erased_holds_up_no_sweeping() {
    let messaging = Messaging::new().await;
    sqlx::raw_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION refuse();
         INSERT INTO users (id, status, deleted_at, erase_after, created_at, updated_at)
         VALUES (gen_random_uuid(), 'deleted', '2020-01-01Z', '2020-02-01Z', '2020-01-01Z', '2020-01-01Z');
         INSERT INTO audit_log (id, at, event)
         VALUES (gen_random_uuid(), now() - interval '400 days', 'session.opened');
         INSERT INTO idempotency_keys (user_id, key, fingerprint, status, body, created_at)
         VALUES (gen_random_uuid(), 'old', sha256(''), 201, '{}', now() - interval '2 days')",
    )
    .execute(&messaging.superuser)
    .await
    .unwrap();
    messaging.start_worker();
    eventually("what is older is gone", async || {
        let trail = "SELECT count(*) FROM audit_log";
        let answers = "SELECT count(*) FROM idempotency_keys";
        messaging.count(trail).await + messaging.count(answers).await == 0
    })
    .await;
    let waits = "SELECT count(*) FROM users WHERE status = 'deleted'";
    assert_eq!(messaging.count(waits).await, 1);
    messaging.finish().await;
}
