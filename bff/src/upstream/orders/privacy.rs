use proto::orders::v1::{CountOpenOrdersRequest, ExportOrdersRequest};

use super::{Inner, Orders, page};
use crate::{
    identity::Caller,
    upstream::{
        CallError, Context, rpc,
        view::{Order, Page},
    },
};

/// Orders of one page of an export.
const EXPORTED: i32 = 50;

impl Orders {
    /// Whether orders of the caller's wait for their payment or are being paid.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn has_open_orders(
        &self,
        context: &Context,
        caller: &Caller,
    ) -> Result<bool, CallError> {
        let Inner {
            privacy,
            tokens,
            count_open_orders,
            ..
        } = &*self.0;
        let send = |request| {
            let mut client = privacy.clone();
            async move { client.count_open_orders(request).await }
        };
        let message = CountOpenOrdersRequest {};
        let call = rpc::call(
            tokens,
            count_open_orders,
            context,
            Some(caller),
            message,
            send,
        );
        Ok(call.await?.count > 0)
    }

    /// One page of all that is kept of the caller's orders, with their lines.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn export_orders(
        &self,
        context: &Context,
        caller: &Caller,
        cursor: String,
    ) -> Result<Page<Order>, CallError> {
        let Inner {
            privacy,
            tokens,
            export_orders,
            ..
        } = &*self.0;
        let message = ExportOrdersRequest {
            page_size: EXPORTED,
            page_token: cursor,
        };
        let send = |request| {
            let mut client = privacy.clone();
            async move { client.export_orders(request).await }
        };
        let answer = rpc::call(tokens, export_orders, context, Some(caller), message, send).await?;
        page(answer.orders, answer.next_page_token)
    }
}
