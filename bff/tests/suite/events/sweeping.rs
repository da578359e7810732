use chrono::TimeDelta;
use platform::{clock::Clock as _, config::Seconds};

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
    let written = "INSERT INTO audit_log (id, at, event, subject)
                   VALUES (gen_random_uuid(), now() - interval '29 days', 'sign_in.failed', 'a***@b.c')";
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
    let everything = "SELECT audit_log_sweep(at), audit_log_forget_nobody(at)
                      FROM (VALUES (now() + interval '1 day')) AS later (at)";
    sqlx::query(everything)
        .execute(&messaging.pool)
        .await
        .unwrap();
    let intact = "SELECT count(*) FROM audit_log WHERE subject = 'a***@b.c'";
    assert_eq!(messaging.count(intact).await, 1);
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

#[tokio::test]
async fn lines_about_nobody_forget_after_thirty_days_where_they_came_from() {
    let messaging = Messaging::new().await;
    // The time is the injected clock's: by the database's, ten days more were due.
    messaging.clock.advance(TimeDelta::days(-10));
    sqlx::query(
        "INSERT INTO audit_log (id, at, event, user_id, actor_id, ip, user_agent, subject)
         SELECT gen_random_uuid(), $1 - days * interval '1 day' + interval '1 hour', 'code.sent',
                user_id, actor_id, '192.0.2.1', 'x', 'a***@b.c'
         FROM generate_series(1, 600) AS days,
              (VALUES (NULL::uuid, NULL::uuid), (NULL, NULL), (gen_random_uuid(), NULL), (NULL, gen_random_uuid()))
                  AS who (user_id, actor_id)",
    )
    .bind(messaging.clock.now())
    .execute(&messaging.superuser)
    .await
    .unwrap();
    let mut worker = messaging.worker();
    worker.settings.audit_retention_s = Seconds(1_000 * 24 * 3600);
    let lifetime = messaging.lifetime.clone();
    messaging
        .lifetime
        .spawn(async move { worker.run(&lifetime).await });
    let forgotten =
        "SELECT count(*) FROM audit_log WHERE num_nonnulls(ip, user_agent, subject) = 0";
    eventually("all older ones have forgotten", async || {
        messaging.count(forgotten).await == 2 * 570
    })
    .await;
    messaging.lifetime.stop();
    let known = "SELECT count(*) FROM audit_log WHERE num_nonnulls(ip, user_agent, subject) = 3";
    assert_eq!(messaging.count(known).await, 4 * 600 - 2 * 570);
    let wrong =
        "SELECT count(*) FROM audit_log WHERE ip IS NULL AND num_nonnulls(user_id, actor_id) > 0";
    assert_eq!(messaging.count(wrong).await, 0);
    messaging.finish().await;
}
