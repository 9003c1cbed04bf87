//! How tokens that products get for themselves reach the ledger: counted here, recorded once a minute.
//!
//! A product may take thousands of tokens in a second, and nobody decides anything when it does: the decision was to give
//! it a secret, and that is recorded. One event a minute and product says how many it took; a program that is killed
//! loses the counts of its last minute, never a token's validity. Why: docs/decisions/counted-client-tokens.md.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use platform::App;
use platform::ctx::Actor;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::time::MINUTE;

use super::state;
use crate::products::ProductId;
use crate::sessions::provider_id;

#[derive(Default)]
pub struct Meter {
    issued: Mutex<HashMap<ProductId, u64>>,
    refused: AtomicU64,
}

impl Meter {
    pub(crate) fn issued(&self, product: ProductId) {
        if let Ok(mut counts) = self.issued.lock() {
            *counts.entry(product).or_default() += 1;
        }
    }

    /// Somebody did not prove to be the product they named.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn take(&self) -> (Vec<(ProductId, u64)>, u64) {
        let counts = self.issued.lock().map(|mut counts| std::mem::take(&mut *counts)).unwrap_or_default();
        (counts.into_iter().collect(), self.refused.swap(0, Ordering::Relaxed))
    }
}

/// Records what was counted since the last time; gives how many events that made.
pub async fn flush(app: &App) -> Result<usize, DbError> {
    let (issued, refused) = state(app).meter.take();
    if issued.is_empty() && refused == 0 {
        return Ok(0);
    }
    let ctx = app.ctx(Actor::System("oauth.meter"));
    let (again, count) = (issued.clone(), issued.len() + usize::from(refused > 0));
    let written = app
        .db()
        .write(&ctx, move |tx| {
            let provider = provider_id(tx)?;
            let mut last = None;
            for (product, tokens) in &issued {
                let event = Event::new(provider, "product.tokens_issued").target("product", product);
                last = Some(tx.record(event.with("tokens", tokens)));
            }
            if refused > 0 {
                let event = Event::new(provider, "product.authentication_failed");
                last = Some(tx.record(event.with("tries", refused)));
            }
            Ok::<_, DbError>(match last {
                Some(recorded) => Commit::changed((), recorded),
                None => Commit::unchanged(()),
            })
        })
        .await;
    if let Err(error) = written {
        // Counted again the next time.
        let state = state(app);
        if let Ok(mut counts) = state.meter.issued.lock() {
            for (product, tokens) in again {
                *counts.entry(product).or_default() += tokens;
            }
        }
        state.meter.refused.fetch_add(refused, Ordering::Relaxed);
        return Err(error);
    }
    Ok(count)
}

/// Runs beside the server, and once more when it drains.
pub(crate) fn run(app: App) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        loop {
            let next = app.clock().now().plus(MINUTE);
            tokio::select! {
                () = app.clock().sleep_until(next, MINUTE) => {}
                () = app.drained() => {}
            }
            if let Err(error) = flush(&app).await {
                tracing::warn!(%error, "cannot record how many tokens products took");
            }
            if app.draining() {
                return;
            }
        }
    })
}
