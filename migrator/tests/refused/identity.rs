use crate::{accounts_with, each_is_refused, try_out, untried};

const BASE: &str = include_str!("identity_base.sql");

const CASES: &str = include_str!("identity.sql");

#[tokio::test]
async fn each_bad_state_of_identity_is_refused_by_name() {
    let (_database, mut connection) = accounts_with(BASE).await;
    each_is_refused(&mut connection, CASES).await;
    let tables = ["users", "credentials", "identities", "audit_log"];
    let untried = untried(&mut connection, &tables, CASES).await;
    assert_eq!(untried, Vec::<String>::new());
}

#[tokio::test]
async fn a_name_and_an_address_are_free_again_once_their_holder_is_deleted() {
    let (_database, mut connection) = accounts_with(BASE).await;
    let again = "
        UPDATE users SET status = 'deleted', deleted_at = now(), erase_after = now() WHERE username_canonical = 'ana';
        INSERT INTO users (id, username, username_canonical, email, email_canonical, phone, created_at, updated_at)
        VALUES ('00000000-0000-7000-8000-0000000000a3', 'ana', 'ana', 'ana@a.example', 'ana@a.example', '+5491123456789', now(), now())";
    try_out(&mut connection, again, "COMMIT").await.unwrap();
}

#[tokio::test]
async fn an_erased_user_keeps_an_id_and_nothing_else() {
    let (_database, mut connection) = accounts_with(BASE).await;
    let erase = "
        UPDATE users SET status = 'erased', deleted_at = now(), erase_after = now(), erased_at = now(),
               username = NULL, username_canonical = NULL, full_name = NULL, birth_date = NULL,
               email = NULL, email_canonical = NULL, phone = NULL";
    try_out(&mut connection, erase, "COMMIT").await.unwrap();
}
