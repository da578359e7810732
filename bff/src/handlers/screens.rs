//! Screens: one call, one payload.

use std::sync::LazyLock;

use axum::{extract::State, routing::get};
use utoipa::{
    IntoParams as _, ToSchema,
    openapi::{Content, HttpMethod, Paths, Ref, ResponseBuilder, path::OperationBuilder},
};
use utoipa_axum::router::UtoipaMethodRouter;

use super::PRIVATE;
use crate::{
    app::AppState,
    edge::{error::ApiError, extract::IfNoneMatch},
    identity::Caller,
    screens::{Ask, Screen},
};

/// The route of a screen of whoever is signed in, with its part of the OpenAPI
/// document, where `T` is what it looks like.
pub fn screen<T: ToSchema>(
    screen: &'static LazyLock<Screen<Caller>>,
) -> UtoipaMethodRouter<AppState> {
    let show = get(
        move |State(state): State<AppState>, caller: Caller, ask: Ask, known: IfNoneMatch| async move {
            let payload = state.screens.show(screen, &caller, &ask).await?;
            Ok::<_, ApiError>(known.answer(payload.body, payload.etag, PRIVATE))
        },
    );
    let (summary, description) = match screen.about.split_once("\n\n") {
        Some((summary, more)) => (summary, Some(more)),
        None => (screen.about, None),
    };
    let mut parameters = Ask::into_params(|| None);
    parameters.extend(IfNoneMatch::into_params(|| None));
    let payload = Content::new(Some(Ref::from_schema_name(T::name())));
    let operation = OperationBuilder::new()
        .tag("screens")
        .operation_id(Some(screen.name))
        .summary(Some(summary))
        .description(description)
        .parameters(Some(parameters))
        .response(
            "200",
            ResponseBuilder::new().content("application/json", payload),
        );
    let mut paths = Paths::new();
    let path = format!("/v1/screens/{}", screen.name);
    paths.add_path_operation(path, vec![HttpMethod::Get], operation.build());
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    (schemas, paths, show)
}
