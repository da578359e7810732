use super::*;

#[tokio::test]
async fn postgres_keeps_its_port_and_its_data_over_a_crash() {
    let mut server = Server::postgres().await;
    let url = server.url();
    let mut connection = PgConnection::connect(url.expose().as_str()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept AS SELECT 1 AS one")
        .execute(&mut connection)
        .await
        .unwrap();
    server.kill().await;
    assert!(connection.ping().await.is_err());
    assert!(PgConnection::connect(url.expose().as_str()).await.is_err());
    server.restart().await;
    assert_eq!(server.url(), url);
    let mut connection = PgConnection::connect(url.expose().as_str()).await.unwrap();
    let one: i32 = sqlx::query_scalar("SELECT one FROM kept")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(one, 1);
}

#[tokio::test]
async fn a_hung_server_accepts_and_answers_nothing_until_it_goes_on() {
    for server in [Server::redis().await, Server::nats().await] {
        server.stop();
        assert!(TcpStream::connect(("127.0.0.1", server.port)).await.is_ok());
        assert!(!server.answers().await);
        server.cont();
        eventually("it answers again", async || server.answers().await).await;
    }
}

#[tokio::test]
async fn a_connection_to_a_hung_postgres_hangs_too() {
    let server = Server::postgres().await;
    let url = server.url();
    let mut connection = PgConnection::connect(url.expose().as_str()).await.unwrap();
    server.stop();
    let answer = tokio::time::timeout(Duration::from_millis(200), connection.ping()).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn nothing_is_left_of_a_dropped_server() {
    let server = Server::postgres().await;
    let pid = Pid::from_child(server.process.as_ref().unwrap());
    let family = [children(pid), vec![pid]].concat();
    assert!(family.len() > 1);
    let directory = server.directory.path().to_owned();
    drop(server);
    eventually("it is gone", async || !family.iter().any(is_alive)).await;
    assert!(!directory.exists());
}
