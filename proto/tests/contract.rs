//! The contract as text. A change of it is reviewed like code: names may
//! change, but a number or a type that was published stays what it is.

use std::fmt::Write as _;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, MessageDescriptor, MethodDescriptor,
};

#[test]
fn the_contract_is_the_one_that_was_reviewed() {
    let pool = DescriptorPool::decode(proto::orders::FILE_DESCRIPTOR_SET).unwrap();
    let mut text = String::new();
    for service in pool.services() {
        block(
            &mut text,
            "service",
            service.full_name(),
            service.methods().map(|one| method(&one)),
        );
    }
    for message in pool.all_messages().filter(ours) {
        block(
            &mut text,
            "message",
            message.full_name(),
            message.fields().map(|one| field(&one)),
        );
    }
    for one in pool
        .all_enums()
        .filter(|one| one.package_name() == "orders.v1")
    {
        block(&mut text, "enum", one.full_name(), values(&one));
    }
    insta::assert_snapshot!(text);
}

fn ours(message: &MessageDescriptor) -> bool {
    message.package_name() == "orders.v1"
}

fn block(text: &mut String, kind: &str, name: &str, lines: impl IntoIterator<Item = String>) {
    let _ = writeln!(text, "{kind} {name}");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

fn method(method: &MethodDescriptor) -> String {
    let stream = |streams| if streams { "stream " } else { "" };
    format!(
        "{}({}{}) -> {}{}",
        method.name(),
        stream(method.is_client_streaming()),
        method.input().full_name(),
        stream(method.is_server_streaming()),
        method.output().full_name(),
    )
}

fn field(field: &FieldDescriptor) -> String {
    let label = match (
        field.is_list(),
        field.field_descriptor_proto().proto3_optional(),
    ) {
        (true, _) => "repeated ",
        (_, true) => "optional ",
        _ => "",
    };
    format!(
        "{} {}: {label}{:?}",
        field.number(),
        field.name(),
        field.kind()
    )
}

fn values(one: &EnumDescriptor) -> Vec<String> {
    one.values()
        .map(|value| format!("{} {}", value.number(), value.name()))
        .collect()
}
