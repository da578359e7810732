//! Compiles the contract in pure Rust: no protoc on the machine is needed.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=orders");
    let files = [
        "orders/v1/catalog.proto",
        "orders/v1/error.proto",
        "orders/v1/order.proto",
        "orders/v1/privacy.proto",
    ];
    let descriptors = protox::compile(files, ["."])?;
    #[expect(
        clippy::disallowed_methods,
        reason = "how Cargo tells a build script its directory"
    )]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let encoded = protox::prost::Message::encode_to_vec(&descriptors);
    std::fs::write(out.join("descriptors.bin"), encoded)?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
