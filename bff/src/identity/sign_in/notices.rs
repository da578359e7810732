//! Telling users what happens to their accounts, and which devices are theirs.

use std::net::IpAddr;

use sqlx::PgConnection;
use uuid::Uuid;

use super::SignIn;
use crate::{
    accounts::contacts,
    identity::{
        error::Error, identifier::Address, keys::keyed_hash, session::Device, store::devices,
    },
    notify::{self, Message, Notice},
};

impl SignIn {
    /// Tells a user by mail what happened, in the transaction of what did. A
    /// user without an e-mail address isn't told: anyone could make us pay for
    /// SMS.
    ///
    /// # Errors
    /// When the store doesn't answer.
    pub async fn tell(
        &self,
        executor: &mut PgConnection,
        user_id: Uuid,
        notice: Notice,
        device: &Device,
    ) -> Result<(), Error> {
        let contact = contacts::of(&mut *executor, user_id).await?;
        let email = contact.and_then(|contact| contact.email);
        match email.map(Address::Email) {
            Some(email) => self.tell_at(executor, &email, notice, device).await,
            None => Ok(()),
        }
    }

    /// The same at one address, whoever has it by now.
    pub(super) async fn tell_at(
        &self,
        executor: &mut PgConnection,
        to: &Address,
        notice: Notice,
        device: &Device,
    ) -> Result<(), Error> {
        let message = Message::notice(to, notice, self.clock.now(), device);
        Ok(notify::enqueue(executor, &self.sealer, &message, &*self.clock).await?)
    }

    /// Remembers the device that a user signs in from. Returns whether it is the
    /// first time.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub async fn see_device(&self, user_id: Uuid, device: &Device) -> Result<bool, Error> {
        let kind = keyed_hash(
            &self.key,
            &[b"device", &network(device.ip), &program(device)],
        );
        Ok(devices::see(&self.redis, user_id, &kind[..16], self.clock.now_ms()).await?)
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
