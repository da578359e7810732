//! Which devices are a user's own.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::SignIn;
use crate::{
    accounts::users::instant,
    identity::{error::Error, keys::keyed_hash, secret::hex, session::Device, store::devices},
    notify::Notice,
};

/// A device that someone signed in from.
#[derive(Debug, Serialize)]
pub struct KnownDevice {
    /// A keyed hash of its network and of what its program calls itself: all that
    /// is kept of it.
    pub device: String,
    /// When it last signed in.
    #[serde(serialize_with = "instant")]
    pub last_seen_at: DateTime<Utc>,
}

impl SignIn {
    /// Tells a user of a sign-in from a device that wasn't seen before.
    ///
    /// # Errors
    /// When a store doesn't answer.
    pub(super) async fn greet(&self, user_id: Uuid, device: &Device) -> Result<(), Error> {
        let now = self.clock.now_ms();
        if devices::knows(&self.redis, user_id, &self.kind(device), now).await? {
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        let notice = Notice::NewSignIn;
        self.notices
            .tell(&mut transaction, user_id, notice, device)
            .await?;
        transaction.commit().await?;
        // Not before: what couldn't be told now is told at the next sign-in.
        self.remember(user_id, device).await
    }

    /// Remembers the device that a user signs in from.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub(in crate::identity) async fn remember(
        &self,
        user_id: Uuid,
        device: &Device,
    ) -> Result<(), Error> {
        let now = self.clock.now_ms();
        Ok(devices::remember(&self.redis, user_id, &self.kind(device), now).await?)
    }

    /// The devices that are remembered as a user's own.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn devices(&self, user_id: Uuid) -> Result<Vec<KnownDevice>, Error> {
        let kept = devices::list(&self.redis, user_id).await?;
        let known = kept.into_iter().map(|(device, seen)| KnownDevice {
            device: hex(&device),
            last_seen_at: DateTime::from_timestamp_millis(seen).unwrap_or_default(),
        });
        Ok(known.collect())
    }

    fn kind(&self, device: &Device) -> [u8; 16] {
        let (network, program) = (network(device.ip), program(device));
        let hash = keyed_hash(&self.key, &[b"device", &network, &program]);
        hash[..16].try_into().expect("the hash is longer")
    }
}

/// People stay in their network, and networks give out addresses anew.
fn network(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.octets()[..3].to_vec(),
        IpAddr::V6(v6) => v6.octets()[..6].to_vec(),
    }
}

/// What a program calls itself, without its version, which changes every month.
fn program(device: &Device) -> Vec<u8> {
    let is_name = |byte: &u8| !byte.is_ascii_digit() && *byte != b'.';
    device.user_agent.bytes().filter(is_name).collect()
}
