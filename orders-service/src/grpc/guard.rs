//! What every call of ours has to bring: a deadline and a good token. Health
//! and reflection don't pass here.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Status, service::Interceptor};
use uuid::Uuid;

use super::tokens::Tokens;
use crate::{config::GrpcSettings, deadline::Deadline, error::Error};

/// A call that was let in.
#[derive(Debug, Clone)]
pub struct Call {
    /// When its answer is due.
    pub deadline: Deadline,
    user: Option<Uuid>,
    /// Its place among the calls that may be in work at once.
    _slot: Arc<OwnedSemaphorePermit>,
}

impl Call {
    /// The call of a request that [`Guard`] let in, and its message.
    ///
    /// # Errors
    /// Never behind a [`Guard`].
    pub fn open<M>(mut request: Request<M>) -> Result<(Self, M), Error> {
        let call = request.extensions_mut().remove();
        let call = call.ok_or_else(|| Error::Internal("a service without its guard".into()))?;
        Ok((call, request.into_inner()))
    }

    /// The user on whose behalf the call is made, if any.
    #[must_use]
    pub fn anyone(&self) -> Option<Uuid> {
        self.user
    }

    /// The user on whose behalf the call is made.
    ///
    /// # Errors
    /// [`Error::UserRequired`] when there is none.
    pub fn user(&self) -> Result<Uuid, Error> {
        self.user.ok_or(Error::UserRequired)
    }
}

/// Lets calls in.
#[derive(Debug, Clone)]
pub struct Guard {
    tokens: Tokens,
    slots: Arc<Semaphore>,
    longest: Duration,
}

impl Guard {
    /// Lets in calls with these tokens, as many at once as the settings say.
    #[must_use]
    pub fn new(tokens: Tokens, settings: &GrpcSettings) -> Self {
        Self {
            tokens,
            slots: Arc::new(Semaphore::new(settings.max_in_flight)),
            longest: settings.max_deadline_ms.duration(),
        }
    }

    fn admit(&self, request: &Request<()>) -> Result<Call, Error> {
        let metadata = request.metadata();
        let deadline = Deadline::of_call(metadata, self.longest)?;
        let user = self.tokens.user(metadata)?;
        let slot = self
            .slots
            .clone()
            .try_acquire_owned()
            .map_err(|_| Error::Overloaded)?;
        Ok(Call {
            deadline,
            user,
            _slot: Arc::new(slot),
        })
    }
}

impl Interceptor for Guard {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let call = self.admit(&request)?;
        request.extensions_mut().insert(call);
        Ok(request)
    }
}
