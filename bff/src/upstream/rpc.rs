use platform::trace::current_traceparent;
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataMap, MetadataValue},
};

use super::{CallError, Context, Guard, Trail};
use crate::identity::{Caller, token::Tokens};

/// Calls a method of a service behind the edge, as `send` does it: with the
/// edge's own token for the caller, or for nobody, with what is left of the
/// time, and with what ties the call to its request.
pub(super) async fn call<M, A, F>(
    tokens: &Tokens,
    guard: &Guard,
    context: &Context,
    caller: Option<&Caller>,
    message: M,
    send: impl Fn(Request<M>) -> F,
) -> Result<A, CallError>
where
    M: Clone,
    F: Future<Output = Result<Response<A>, Status>>,
{
    let token = tokens.for_orders(caller).map_err(CallError::internal)?;
    let metadata = metadata(&token, &context.trail)?;
    let attempt = || {
        let mut request = Request::new(message.clone());
        *request.metadata_mut() = metadata.clone();
        // A trace that is recorded here goes on from this very attempt.
        if let Some(here) = current_traceparent().and_then(|here| here.parse().ok()) {
            request.metadata_mut().insert("traceparent", here);
        }
        request.set_timeout(context.deadline.remaining());
        let answer = send(request);
        async { Ok(answer.await?.into_inner()) }
    };
    guard.call(context.deadline, attempt).await
}

fn metadata(token: &str, trail: &Trail) -> Result<MetadataMap, CallError> {
    let bearer = format!("Bearer {token}");
    let bearer: MetadataValue<Ascii> = bearer.parse().map_err(CallError::internal)?;
    let mut metadata = MetadataMap::with_capacity(4);
    metadata.insert("authorization", bearer);
    let given = [
        ("x-request-id", &trail.request_id),
        ("traceparent", &trail.traceparent),
    ];
    for (name, value) in given {
        let value = value.as_ref().map(|value| value.as_bytes().try_into());
        if let Some(Ok(value)) = value {
            metadata.insert(name, value);
        }
    }
    Ok(metadata)
}
