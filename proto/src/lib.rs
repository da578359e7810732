//! The contracts between the edge and the services behind it: the `orders.v1`
//! gRPC API, generated from `orders/v1/*.proto`, and the payloads of the
//! events that both sides publish.

pub mod events;

/// The catalogue and orders, as the orders service offers them.
pub mod orders {
    /// Version 1 of the contract. Its documentation stands in `orders/v1/*.proto`.
    #[expect(
        missing_docs,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]
    pub mod v1 {
        tonic::include_proto!("orders.v1");
    }

    /// The most characters of a `ListItemsRequest.query`, without the space around it.
    pub const MAX_QUERY_CHARS: usize = 200;

    /// The encoded `FileDescriptorSet` of the contract, for the reflection
    /// service and for the contract's own snapshot test.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}
