//! Calls that the library refuses before our code sees them.

use http::uri::PathAndQuery;
use proto::orders::v1::{Item, ListItemsRequest};
use tonic::{Code, Request, Status, client::Grpc};
use tonic_prost::ProstCodec;

use crate::helpers::{CAP, Service, assert_refused};

async fn call(
    service: &Service,
    path: &'static str,
    message: ListItemsRequest,
) -> Result<(), Status> {
    let mut request = Request::new(message);
    request.set_timeout(CAP);
    let bearer = format!("Bearer {}", service.anonymous()).parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let mut client = Grpc::new(service.channel.clone());
    client.ready().await.unwrap();
    let codec = ProstCodec::<ListItemsRequest, Item>::default();
    client
        .unary(request, PathAndQuery::from_static(path), codec)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn unknown_services_and_methods_are_refused_with_a_reason() {
    let service = Service::start().await;
    for path in [
        "/orders.v1.CatalogService/Unknown",
        "/orders.v1.Unknown/GetItem",
        "/unknown",
    ] {
        let answer = call(&service, path, ListItemsRequest::default()).await;
        assert_refused(answer, Code::Unimplemented, "METHOD_UNKNOWN");
    }
}

#[tokio::test]
async fn a_message_that_can_not_be_read_is_refused_and_the_library_says_nothing() {
    let service = Service::start().await;
    // A number where the method has a text.
    let message = ListItemsRequest {
        page_size: 7,
        ..ListItemsRequest::default()
    };
    let status = call(&service, "/orders.v1.CatalogService/GetItem", message)
        .await
        .unwrap_err();
    assert_eq!(status.message(), "the message is too long or can't be read");
    assert_refused(
        Err::<(), _>(status),
        Code::InvalidArgument,
        "MESSAGE_INVALID",
    );
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused() {
    let service = Service::start().await;
    let message = ListItemsRequest {
        query: "x".repeat(65 * 1024),
        ..ListItemsRequest::default()
    };
    let answer = call(&service, "/orders.v1.CatalogService/ListItems", message).await;
    assert_refused(answer, Code::InvalidArgument, "MESSAGE_INVALID");
}
