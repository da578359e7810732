use std::borrow::Cow;

use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
        BasicTokenIntrospectionResponse, BasicTokenType,
    },
};
use platform::config::Secret;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Failure, Grant, flow::Secrets, http::Http};
use crate::upstream::{CallError, Deadline};

/// What a code is exchanged for.
pub(super) type Tokens = StandardTokenResponse<Extra, BasicTokenType>;

/// What some providers add to it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Extra {
    /// OpenID Connect's.
    pub id_token: Option<String>,
    /// VK's echo.
    pub state: Option<String>,
}

impl ExtraTokenFields for Extra {}

type Client = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Our application, as it is registered with one provider.
#[derive(Debug)]
pub(super) struct Application {
    pub id: String,
    pub secret: Secret,
    /// Where the provider sends people back to.
    pub callback: Url,
    /// What it is asked to tell of them.
    pub scopes: &'static [&'static str],
    pub http: Http,
}

impl Application {
    fn client(&self, authorize: &Url, token: &Url) -> Client {
        let client = oauth2::Client::new(ClientId::new(self.id.clone()))
            // Every one of the four takes the secret in the body.
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(AuthUrl::from_url(authorize.clone()))
            .set_token_uri(TokenUrl::from_url(token.clone()))
            .set_redirect_uri(RedirectUrl::from_url(self.callback.clone()));
        match self.secret.expose() {
            "" => client,
            secret => client.set_client_secret(ClientSecret::new(secret.to_owned())),
        }
    }

    /// The page at `authorize` for one flow.
    pub(super) fn page(
        &self,
        authorize: &Url,
        secrets: &Secrets,
        extra: &[(&'static str, &str)],
    ) -> Url {
        // Only the exchange needs the other endpoint.
        let client = self.client(authorize, authorize);
        let verifier = PkceCodeVerifier::new(secrets.verifier.clone());
        let mut request = client
            .authorize_url(|| CsrfToken::new(secrets.state.clone()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(self.scopes.iter().map(|&scope| Scope::new(scope.into())));
        for &(name, value) in extra {
            request = request.add_extra_param(name, Cow::Owned(value.to_owned()));
        }
        request.url().0
    }

    /// Exchanges a code at `token`.
    ///
    /// # Errors
    /// When the provider doesn't answer, or refuses.
    pub(super) async fn exchange(
        &self,
        token: &Url,
        secrets: &Secrets,
        grant: &Grant,
        extra: &[(&'static str, &str)],
        deadline: Deadline,
    ) -> Result<Tokens, Failure> {
        let client = self.client(token, token);
        let code = AuthorizationCode::new(grant.code.clone());
        let verifier = PkceCodeVerifier::new(secrets.verifier.clone());
        let mut request = client.exchange_code(code).set_pkce_verifier(verifier);
        for &(name, value) in extra {
            request = request.add_extra_param(name, Cow::Owned(value.to_owned()));
        }
        let http = self.http.until(deadline);
        request.request_async(&http).await.map_err(refused)
    }
}

/// The texts of these errors hold what the provider said, which nobody sees.
fn refused(error: RequestTokenError<CallError, BasicErrorResponse>) -> Failure {
    match error {
        RequestTokenError::Request(error) => error.into(),
        RequestTokenError::ServerResponse(answer) => Failure::Answer(match answer.error() {
            BasicErrorResponseType::InvalidClient | BasicErrorResponseType::UnauthorizedClient => {
                "it doesn't know our client id and secret"
            }
            _ => "it refused the code",
        }),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            Failure::Answer("no tokens for the code")
        }
    }
}
