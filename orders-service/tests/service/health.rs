use futures::{StreamExt as _, stream};
use platform::testing::Fault;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{
    faults::by_way_of,
    helpers::{Service, eventually},
};

async fn status(service: &Service, of: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest { service: of.into() };
    let answer = HealthClient::new(service.channel.clone())
        .check(request)
        .await;
    answer
        .map(|answer| answer.into_inner().status())
        .map_err(|status| status.code())
}

#[tokio::test]
async fn health_follows_the_database_and_needs_neither_token_nor_deadline() {
    let mut proxy = None;
    let service = Service::not_yet_ready(|settings| {
        proxy = by_way_of(&mut settings.postgres.url, Fault::Refuse);
    })
    .await;
    let proxy = proxy.unwrap();
    let all = ["", "orders.v1.CatalogService", "orders.v1.OrderService"];
    let every = async |expected: ServingStatus| {
        for name in all {
            if status(&service, name).await != Ok(expected) {
                return false;
            }
        }
        true
    };
    assert!(every(ServingStatus::NotServing).await);
    proxy.heal();
    eventually("it serves", async || every(ServingStatus::Serving).await).await;
    proxy.set(Fault::Refuse);
    eventually("it doesn't serve", async || {
        every(ServingStatus::NotServing).await
    })
    .await;
    proxy.heal();
    eventually("it serves again", async || {
        every(ServingStatus::Serving).await
    })
    .await;
    assert_eq!(
        status(&service, "orders.v1.Unknown").await,
        Err(Code::NotFound)
    );
}

#[tokio::test]
async fn reflection_shows_the_contract_and_needs_neither_token_nor_deadline() {
    let service = Service::start().await;
    let ask = |message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let asked = stream::iter([
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(
            "orders.v1.Order".into(),
        )),
    ]);
    let mut client = ServerReflectionClient::new(service.channel.clone());
    let mut answers = client
        .server_reflection_info(asked)
        .await
        .unwrap()
        .into_inner();
    let services = answers
        .next()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let MessageResponse::ListServicesResponse(services) = services else {
        panic!("{services:?}");
    };
    let names: Vec<_> = services
        .service
        .into_iter()
        .map(|service| service.name)
        .collect();
    for name in [
        "orders.v1.CatalogService",
        "orders.v1.OrderService",
        "grpc.health.v1.Health",
    ] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    let file = answers
        .next()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    assert!(
        matches!(file, MessageResponse::FileDescriptorResponse(_)),
        "{file:?}"
    );
}
