//! An orders service that does as it is told, over real gRPC on a port of its
//! own, and remembers what it was asked.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use platform::config::ServerUrl;
use proto::orders::v1::{
    GetItemRequest, GetOrderRequest, Item, ListItemsRequest, ListItemsResponse, ListOrdersRequest,
    ListOrdersResponse, ListRecommendationsRequest, ListRecommendationsResponse, Money, Order,
    OrderState,
    catalog_service_server::{CatalogService, CatalogServiceServer},
    order_service_server::{OrderService, OrderServiceServer},
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status, metadata::MetadataMap, transport::Server};
use tonic_types::{ErrorDetails, StatusExt as _};

/// What it does with a call.
#[derive(Debug, Clone, Copy)]
pub enum Behaviour {
    Answer,
    AnswerAfter(Duration),
    Hang,
    Fail(Code),
}

/// A call that came in.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: &'static str,
    pub metadata: MetadataMap,
}

impl Call {
    /// A metadata value, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.metadata.get(name)?.to_str().ok()
    }

    /// The time limit that came with it. tonic writes it in nanoseconds,
    /// microseconds or milliseconds, whichever fits.
    pub fn timeout(&self) -> Duration {
        let text = self.header("grpc-timeout").expect("a time limit");
        let (count, unit) = text.split_at(text.len() - 1);
        let count: u64 = count.parse().expect("a number");
        match unit {
            "n" => Duration::from_nanos(count),
            "u" => Duration::from_micros(count),
            "m" => Duration::from_millis(count),
            unit => panic!("{unit}"),
        }
    }
}

/// The stub.
pub struct OrdersStub {
    address: SocketAddr,
    runtime: Option<Runtime>,
    state: Arc<State>,
}

struct State {
    behaviour: Mutex<Behaviour>,
    calls: Mutex<Vec<Call>>,
    in_flight: AtomicUsize,
}

impl OrdersStub {
    /// A service that answers.
    pub fn start() -> Self {
        let mut stub = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            runtime: None,
            state: Arc::new(State {
                behaviour: Mutex::new(Behaviour::Answer),
                calls: Mutex::default(),
                in_flight: AtomicUsize::new(0),
            }),
        };
        stub.restart();
        stub
    }

    /// Where it listens, also after it was killed and restarted.
    pub fn url(&self) -> ServerUrl {
        format!("http://{}", self.address).parse().expect("a URL")
    }

    /// Tells it what to do from now on.
    pub fn will(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap() = behaviour;
    }

    /// Ends it with all its connections, at once.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Starts it, again on the same port.
    pub fn restart(&mut self) {
        self.kill();
        // A runtime of its own: what it spawns ends with it.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let guard = runtime.enter();
        let listener = std::net::TcpListener::bind(self.address).expect("the port is free");
        listener.set_nonblocking(true).expect("a socket");
        self.address = listener.local_addr().expect("an address");
        let listener = TcpListener::from_std(listener).expect("a socket");
        let server = Server::builder()
            .add_service(CatalogServiceServer::from_arc(self.state.clone()))
            .add_service(OrderServiceServer::from_arc(self.state.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        runtime.spawn(server);
        drop(guard);
        self.runtime = Some(runtime);
    }

    /// The calls of one method so far.
    pub fn calls(&self, method: &str) -> Vec<Call> {
        let calls = self.state.calls.lock().unwrap();
        calls
            .iter()
            .filter(|call| call.method == method)
            .cloned()
            .collect()
    }

    /// How many calls there were of one method.
    pub fn count(&self, method: &str) -> usize {
        self.calls(method).len()
    }

    /// Calls that it is busy with.
    pub fn in_flight(&self) -> usize {
        self.state.in_flight.load(SeqCst)
    }
}

impl Drop for OrdersStub {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Counts a call until it ends or its caller goes away.
struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl State {
    async fn play<T>(&self, method: &'static str, request: &Request<T>) -> Result<(), Status> {
        self.in_flight.fetch_add(1, SeqCst);
        let _in_flight = InFlight(&self.in_flight);
        let metadata = request.metadata().clone();
        self.calls.lock().unwrap().push(Call { method, metadata });
        let behaviour = *self.behaviour.lock().unwrap();
        match behaviour {
            Behaviour::Answer => Ok(()),
            Behaviour::AnswerAfter(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Fail(code) => {
                let details = ErrorDetails::with_error_info("SCRIPTED", "orders.portico", []);
                Err(Status::with_error_details(code, "as it was told", details))
            }
        }
    }
}

const AT: prost_types::Timestamp = prost_types::Timestamp {
    seconds: 1_700_000_000,
    nanos: 120_000_000,
};

/// The id of the order that everyone has.
pub const ORDER: &str = "01890000-0000-7000-8000-000000000001";
/// The id of the item that the catalogue has.
pub const ITEM: &str = "01890000-0000-7000-8000-000000000002";

fn usd(amount: &str) -> Option<Money> {
    Some(Money {
        amount: amount.to_owned(),
        currency: "USD".to_owned(),
    })
}

fn order() -> Order {
    Order {
        id: ORDER.to_owned(),
        state: OrderState::Paid.into(),
        lines: Vec::new(),
        subtotal: usd("12.30"),
        discount: usd("2.30"),
        total: usd("10.00"),
        quantity: 3,
        created_at: Some(AT),
        updated_at: Some(AT),
        expires_at: None,
        etag: "1".to_owned(),
    }
}

fn item() -> Item {
    Item {
        id: ITEM.to_owned(),
        title: "The Tin Drum".to_owned(),
        author: "Günter Grass".to_owned(),
        description: "A boy who decides not to grow.".to_owned(),
        tags: vec!["novel".to_owned()],
        price: usd("9.99"),
        available: 4,
        created_at: Some(AT),
        updated_at: Some(AT),
        etag: "1".to_owned(),
    }
}

#[tonic::async_trait]
impl CatalogService for State {
    async fn get_item(&self, request: Request<GetItemRequest>) -> Result<Response<Item>, Status> {
        self.play("get_item", &request).await?;
        if request.get_ref().id == ITEM {
            Ok(Response::new(item()))
        } else {
            Err(Status::not_found("no such item"))
        }
    }

    async fn list_items(
        &self,
        request: Request<ListItemsRequest>,
    ) -> Result<Response<ListItemsResponse>, Status> {
        self.play("list_items", &request).await?;
        if !request.get_ref().page_token.is_empty() {
            let bad = ErrorDetails::with_bad_request_violation("page_token", "not of this query");
            return Err(Status::with_error_details(
                Code::InvalidArgument,
                "bad",
                bad,
            ));
        }
        Ok(Response::new(ListItemsResponse {
            items: vec![item()],
            next_page_token: "next".to_owned(),
        }))
    }

    async fn list_recommendations(
        &self,
        request: Request<ListRecommendationsRequest>,
    ) -> Result<Response<ListRecommendationsResponse>, Status> {
        self.play("list_recommendations", &request).await?;
        let items = vec![item()];
        Ok(Response::new(ListRecommendationsResponse { items }))
    }
}

#[tonic::async_trait]
impl OrderService for State {
    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        self.play("get_order", &request).await?;
        if request.get_ref().id == ORDER {
            Ok(Response::new(order()))
        } else {
            Err(Status::not_found("no such order"))
        }
    }

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        self.play("list_orders", &request).await?;
        Ok(Response::new(ListOrdersResponse {
            orders: vec![order()],
            next_page_token: String::new(),
        }))
    }
}
