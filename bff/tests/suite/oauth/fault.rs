//! What a provider can do wrong.

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    // At the page.
    Denial,
    WrongState,
    NoCode,
    ServerError,
    // At the exchange.
    ExchangeRefused,
    ExchangeFails,
    ExchangeHangs,
    ExchangeIsHuge,
    ExchangeIsHtml,
    ExchangeRedirects,
    // In the id token.
    NoIdToken,
    Nonce,
    NoNonce,
    Audience,
    TwoAudiences,
    NoAudience,
    AuthorizedParty,
    Issuer,
    Expired,
    FromTheFuture,
    NoSubject,
    UnknownKid,
    NoKid,
    CriticalHeader,
    WrongKey,
    ChangedAfterSigning,
    AlgorithmNone,
    /// The signature is right, by another algorithm than the header names.
    AlgorithmPs256,
    AlgorithmHs256,
    // Around it.
    DiscoveryOfAnother,
    DiscoveryFails,
    KeysFail,
    KeysAreHuge,
    // At the person's data.
    DataRefused,
    DataFails,
    DataHangs,
    DataIsHuge,
    DataWithoutId,
    /// VK: the exchange echoes another state.
    StateEcho,
    /// VK: the callback names no device.
    NoDevice,
    /// Yandex: the token was made for another application.
    ClientId,
}
