//! What is in the databases then.

use argon2::{Argon2, PasswordVerifier as _, password_hash::phc::PasswordHash};
use seeder::{DEMO_EMAIL, DEMO_PASSWORD, Parameters};

use crate::{Stores, ask, connect, small};

#[tokio::test]
async fn all_money_comes_from_the_world_and_paid_orders_are_the_revenue() {
    let stores = Stores::new().await;
    stores.seed(&small()).await.unwrap();
    let accounts = &stores.accounts;
    assert_eq!(
        ask::<i64>(accounts, "SELECT count(*) FROM (SELECT FROM accounts GROUP BY currency HAVING sum(balance) <> 0) x").await,
        0
    );
    assert!(
        ask::<bool>(
            accounts,
            "SELECT bool_and(balance <= 0) FROM accounts WHERE kind = 'world'"
        )
        .await
    );
    let earned: String = ask(
        accounts,
        "SELECT string_agg(currency || trim_scale(balance), ',' ORDER BY currency)
           FROM accounts WHERE kind = 'revenue' AND balance > 0",
    )
    .await;
    let paid: String = ask(&stores.orders,
        "SELECT string_agg(currency || trim_scale(total), ',' ORDER BY currency) FROM (
            SELECT currency, sum(total) AS total FROM orders WHERE paid_at IS NOT NULL GROUP BY currency) x").await;
    assert_eq!(earned, paid);
    let held: String = ask(accounts,
        "SELECT count(*) || ' ' || coalesce(trim_scale(sum(amount)), 0) FROM holds WHERE state = 'held'").await;
    let capturing: String = ask(&stores.orders,
        "SELECT count(*) || ' ' || coalesce(trim_scale(sum(total)), 0) FROM orders WHERE state = 'capturing'").await;
    assert_eq!(held, capturing);
}

#[tokio::test]
async fn orders_are_in_every_state_and_end_at_the_given_instant() {
    let stores = Stores::new().await;
    // Rare states need some more.
    stores
        .seed(&Parameters {
            orders: 3_000,
            ..small()
        })
        .await
        .unwrap();
    let orders = &stores.orders;
    assert_eq!(
        ask::<i64>(orders, "SELECT count(DISTINCT state) FROM orders").await,
        6
    );
    let late =
        "SELECT count(*) FROM order_transitions WHERE at >= '2026-11-20Z' OR at < '2025-11-19Z'";
    assert_eq!(ask::<i64>(orders, late).await, 0);
    let reserved = "SELECT sum(reserved)::bigint FROM item_stock";
    let waiting =
        "SELECT sum(quantity)::bigint FROM orders WHERE state IN ('pending_payment', 'capturing')";
    assert_eq!(
        ask::<i64>(orders, reserved).await,
        ask::<i64>(orders, waiting).await
    );
    assert!(ask::<i64>(orders, "SELECT max(sold) FROM item_sales").await > 0);
}

#[tokio::test]
async fn each_item_is_found_by_its_words_among_few_others() {
    let stores = Stores::new().await;
    stores
        .seed(&Parameters {
            items: 2_000,
            ..small()
        })
        .await
        .unwrap();
    let orders = &stores.orders;
    let missed = "SELECT count(*) FROM items i WHERE NOT EXISTS (
        SELECT FROM items f WHERE f.id = i.id
           AND f.search @@ websearch_to_tsquery('catalogue', i.title || ' ' || i.author))";
    assert_eq!(ask::<i64>(orders, missed).await, 0);
    // A title and its author, taken together, name hardly any other book.
    let mistaken = "SELECT max(count) FROM (
        SELECT count(*) FROM (SELECT * FROM items ORDER BY id LIMIT 100) i JOIN items f
            ON f.search @@ websearch_to_tsquery('catalogue', i.title || ' ' || i.author)
         GROUP BY i.id) x";
    assert!(ask::<i64>(orders, mistaken).await <= 3);
    for (query, most) in [
        ("lighthouse", 200),
        ("rust compiler", 100),
        ("witch prince", 100),
    ] {
        let found: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM items WHERE search @@ websearch_to_tsquery('catalogue', $1)",
        )
        .bind(query)
        .fetch_one(&mut connect(orders).await)
        .await
        .unwrap();
        assert!((1..most).contains(&found), "{query}: {found}");
    }
    let filler = "SELECT count(*) FROM items WHERE description ~* 'lorem|ipsum' OR title ~ '[{}]' OR description ~ '[{}]'";
    assert_eq!(ask::<i64>(orders, filler).await, 0);
}

#[tokio::test]
async fn the_demo_user_can_sign_in_and_has_something_to_look_at() {
    let stores = Stores::new().await;
    stores.seed(&small()).await.unwrap();
    let (id, password): (uuid::Uuid, String) = sqlx::query_as(
        "SELECT id, password FROM users JOIN credentials ON user_id = id WHERE email_canonical = $1",
    )
    .bind(DEMO_EMAIL)
    .fetch_one(&mut connect(&stores.accounts).await)
    .await
    .unwrap();
    assert!(
        password.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{password}"
    );
    let hash = PasswordHash::new(&password).unwrap();
    Argon2::default()
        .verify_password(DEMO_PASSWORD.as_bytes(), &hash)
        .unwrap();

    let currencies: Vec<String> = sqlx::query_scalar(
        "SELECT currency FROM accounts WHERE user_id = $1 AND balance > 0 ORDER BY 1",
    )
    .bind(id)
    .fetch_all(&mut connect(&stores.accounts).await)
    .await
    .unwrap();
    assert_eq!(currencies, ["EUR", "USD"]);
    let orders: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE user_id = $1")
        .bind(id)
        .fetch_one(&mut connect(&stores.orders).await)
        .await
        .unwrap();
    assert_eq!(orders, 8);
    let cart: Vec<(i16, String)> = sqlx::query_as(
        "SELECT position, title FROM carts JOIN cart_lines ON cart_id = carts.id JOIN items ON item_id = items.id
          WHERE user_id = $1 ORDER BY position",
    )
    .bind(id)
    .fetch_all(&mut connect(&stores.orders).await)
    .await
    .unwrap();
    let positions: Vec<i16> = cart.iter().map(|line| line.0).collect();
    assert_eq!(positions, [1, 2, 3], "{cart:?}");
}

#[tokio::test]
async fn a_share_of_the_users_have_a_cart_and_can_buy_what_is_in_it() {
    let stores = Stores::new().await;
    let users = Parameters {
        users: 1_000,
        ..small()
    };
    stores.seed(&users).await.unwrap();
    let orders = &stores.orders;
    let carts: i64 = ask(orders, "SELECT count(*) FROM carts").await;
    assert!((200..400).contains(&carts), "{carts}");
    let empty = "SELECT count(*) FROM carts WHERE id NOT IN (SELECT cart_id FROM cart_lines)";
    assert_eq!(ask::<i64>(orders, empty).await, 0);
    let late = "SELECT count(*) FROM carts WHERE updated_at >= '2026-11-20Z'";
    assert_eq!(ask::<i64>(orders, late).await, 0);
    let in_vain = "SELECT count(*) FROM cart_lines l JOIN items i ON i.id = item_id
         WHERE deleted_at IS NOT NULL
            OR NOT EXISTS (SELECT FROM item_prices p WHERE p.item_id = i.id AND valid_until IS NULL)
            OR NOT EXISTS (SELECT FROM item_stock s WHERE s.item_id = i.id AND on_hand - reserved >= quantity)";
    assert_eq!(ask::<i64>(orders, in_vain).await, 0);
    let known: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM users")
        .fetch_all(&mut connect(&stores.accounts).await)
        .await
        .unwrap();
    let strangers: i64 = sqlx::query_scalar("SELECT count(*) FROM carts WHERE user_id <> ALL ($1)")
        .bind(known)
        .fetch_one(&mut connect(orders).await)
        .await
        .unwrap();
    assert_eq!(strangers, 0);
}

#[tokio::test]
async fn without_the_demo_user_nobody_can_sign_in() {
    let stores = Stores::new().await;
    stores
        .seed(&Parameters {
            demo_user: false,
            ..small()
        })
        .await
        .unwrap();
    assert_eq!(
        ask::<i64>(&stores.accounts, "SELECT count(*) FROM credentials").await,
        0
    );
    assert_eq!(
        ask::<i64>(
            &stores.accounts,
            "SELECT count(*) FROM users WHERE username = 'demo'"
        )
        .await,
        0
    );
}
