//! Where a test makes a detector blind, to see that the drill which attacks it notices.
//!
//! The program has no such switch: outside of this crate's own tests the answer is a constant.

pub(crate) use switch::is_blind;
#[cfg(test)]
pub(crate) use switch::set;

#[cfg(not(test))]
mod switch {
    use platform::db::{DbError, ReadTx};

    /// Whether a test has made this detector blind: never.
    pub(crate) fn is_blind(_: &mut ReadTx, _: &'static str) -> Result<bool, DbError> {
        Ok(false)
    }
}

#[cfg(test)]
mod switch {
    use platform::db::{Commit, DbError, ReadTx};
    use platform::events::{self, Event};
    use platform::principals;
    use testkit::Kit;

    /// What the newest event about the seam says, in the store of this test alone.
    pub(crate) fn is_blind(tx: &mut ReadTx, name: &'static str) -> Result<bool, DbError> {
        let Some(provider) = principals::provider(tx)? else { return Ok(false) };
        let last = events::about(tx, provider.id, "seam", name, 1)?.into_iter().next();
        Ok(last.is_some_and(|event| event.action == "seam.opened"))
    }

    /// Makes a detector blind, or lets it see again.
    pub(crate) async fn set(kit: &Kit, name: &'static str, blind: bool) {
        let ctx = kit.ctx();
        let written = kit.app.db().write(&ctx, move |tx| {
            let provider = principals::provider(tx)?.ok_or(DbError::NotSetUp)?;
            let action = if blind { "seam.opened" } else { "seam.closed" };
            let recorded = tx.record(Event::new(provider.id, action).target("seam", name));
            Ok::<_, DbError>(Commit::changed((), recorded))
        });
        written.await.expect("a seam");
    }
}
