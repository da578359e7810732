use anyhow::{Context as _, ensure};
use platform::config::{Secret, ServerUrl};
use reqwest::Client;
use url::Url;

use super::{
    application::Application,
    facebook::Facebook,
    google::Google,
    http::{Http, below},
    kept::Kept,
    provider::{Provider, ProviderName},
    settings::OAuthSettings,
    vk::Vk,
    yandex::Yandex,
};
use crate::upstream::Guards;

/// The providers that are configured.
#[derive(Debug)]
pub(super) struct Registry {
    google: Option<Google>,
    facebook: Option<Facebook>,
    vk: Option<Vk>,
    yandex: Option<Yandex>,
}

impl Registry {
    pub(super) fn new(
        settings: &OAuthSettings,
        production: bool,
        client: &Client,
        guards: &Guards,
    ) -> anyhow::Result<Self> {
        let build = Builder {
            settings,
            production,
            client,
            guards,
        };
        Ok(Self {
            google: build.google().context("BFF_OAUTH__GOOGLE")?,
            facebook: build.facebook().context("BFF_OAUTH__FACEBOOK")?,
            vk: build.vk().context("BFF_OAUTH__VK")?,
            yandex: build.yandex().context("BFF_OAUTH__YANDEX")?,
        })
    }

    pub(super) fn get(&self, provider: ProviderName) -> Option<&dyn Provider> {
        fn any<P: Provider>(provider: Option<&P>) -> Option<&dyn Provider> {
            provider.map(|provider| provider as &dyn Provider)
        }
        match provider {
            ProviderName::Google => any(self.google.as_ref()),
            ProviderName::Facebook => any(self.facebook.as_ref()),
            ProviderName::Vk => any(self.vk.as_ref()),
            ProviderName::Yandex => any(self.yandex.as_ref()),
        }
    }
}

struct Builder<'a> {
    settings: &'a OAuthSettings,
    production: bool,
    client: &'a Client,
    guards: &'a Guards,
}

impl Builder<'_> {
    fn google(&self) -> anyhow::Result<Option<Google>> {
        let google = &self.settings.google;
        if google.client_id.is_empty() {
            return Ok(None);
        }
        let scopes = &["openid", "email", "profile"];
        let secret = needed(&google.client_secret)?;
        let application =
            self.application(ProviderName::Google, &google.client_id, secret, scopes)?;
        let url = self.base(&google.url, "URL")?;
        Ok(Some(Google {
            application,
            issuer: url.as_str().trim_end_matches('/').to_owned(),
            discovery_url: below(url, ".well-known/openid-configuration")?,
            discovery: Kept::new(self.guards.clock()),
            keys: Kept::new(self.guards.clock()),
            clock: self.guards.clock(),
        }))
    }

    fn facebook(&self) -> anyhow::Result<Option<Facebook>> {
        let facebook = &self.settings.facebook;
        if facebook.client_id.is_empty() {
            return Ok(None);
        }
        let scopes = &["email", "public_profile"];
        let secret = needed(&facebook.client_secret)?;
        let application =
            self.application(ProviderName::Facebook, &facebook.client_id, secret, scopes)?;
        let version = &facebook.version;
        let graph = self.base(&facebook.graph_url, "GRAPH_URL")?;
        let dialog = self.base(&facebook.url, "URL")?;
        Ok(Some(Facebook {
            application,
            dialog: below(dialog, &format!("{version}/dialog/oauth"))?,
            token: below(graph, &format!("{version}/oauth/access_token"))?,
            me: below(graph, &format!("{version}/me"))?,
        }))
    }

    fn vk(&self) -> anyhow::Result<Option<Vk>> {
        let vk = &self.settings.vk;
        if vk.client_id.is_empty() {
            return Ok(None);
        }
        let scopes = &["vkid.personal_info", "email"];
        let application =
            self.application(ProviderName::Vk, &vk.client_id, &vk.client_secret, scopes)?;
        let url = self.base(&vk.url, "URL")?;
        Ok(Some(Vk {
            application,
            authorize: below(url, "authorize")?,
            token: below(url, "oauth2/auth")?,
            user_info: below(url, "oauth2/user_info")?,
        }))
    }

    fn yandex(&self) -> anyhow::Result<Option<Yandex>> {
        let yandex = &self.settings.yandex;
        if yandex.client_id.is_empty() {
            return Ok(None);
        }
        let scopes = &["login:info", "login:email"];
        let secret = needed(&yandex.client_secret)?;
        let application =
            self.application(ProviderName::Yandex, &yandex.client_id, secret, scopes)?;
        let url = self.base(&yandex.url, "URL")?;
        let mut info = below(self.base(&yandex.info_url, "INFO_URL")?, "info")?;
        info.set_query(Some("format=json"));
        Ok(Some(Yandex {
            application,
            authorize: below(url, "authorize")?,
            token: below(url, "token")?,
            info,
        }))
    }

    fn application(
        &self,
        provider: ProviderName,
        id: &str,
        secret: &Secret,
        scopes: &'static [&'static str],
    ) -> anyhow::Result<Application> {
        let public = self.settings.public_url.as_ref();
        let public = public.context("BFF_OAUTH__PUBLIC_URL is needed for it")?;
        self.base(public, "PUBLIC_URL")
            .context("BFF_OAUTH__PUBLIC_URL")?;
        let path = format!("v1/auth/oauth/{}/callback", provider.as_str());
        Ok(Application {
            id: id.to_owned(),
            secret: secret.clone(),
            callback: below(public.expose(), &path)?,
            scopes,
            http: Http::new(provider, self.settings, self.client.clone(), self.guards),
        })
    }

    /// Codes and tokens travel to these: in the clear in development alone.
    fn base<'u>(&self, url: &'u ServerUrl, name: &'static str) -> anyhow::Result<&'u Url> {
        let url = url.expose();
        let safe = url.scheme() == "https" || (url.scheme() == "http" && !self.production);
        ensure!(safe, "{name}: expected https://…");
        ensure!(
            url.query().is_none() && url.fragment().is_none(),
            "{name}: expected no query"
        );
        Ok(url)
    }
}

fn needed(secret: &Secret) -> anyhow::Result<&Secret> {
    ensure!(
        !secret.is_empty(),
        "CLIENT_SECRET is needed beside CLIENT_ID"
    );
    Ok(secret)
}
