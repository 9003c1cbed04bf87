//! Answers that were verified, between the form that brought them and the browser that takes them up.

use platform::db::{DbError, Tx};
use platform::params;
use platform::time::Timestamp;

use super::super::arrival::Identity;
use super::super::{ConnectionId, sql};
use super::{Accepted, KEPT};
use crate::tokens::LinkToken;

/// Keeps an answer under its state, once. `false`: the assertion was used before.
pub(crate) fn keep(
    tx: &mut Tx,
    connection: ConnectionId,
    state: &LinkToken,
    accepted: &Accepted,
    now: Timestamp,
) -> Result<bool, DbError> {
    if tx.execute(&sql::INSERT_MESSAGE, params![accepted.message.clone(), accepted.until])? != 1 {
        return Ok(false);
    }
    let text =
        serde_json::to_string(&accepted.identity).map_err(|error| DbError::Check(error.to_string()))?;
    let row = params![state.hash(), connection, text, now.plus(KEPT)];
    Ok(tx.execute(&sql::INSERT_ANSWER, row)? == 1)
}

/// Takes an answer up; it is gone afterwards.
pub(crate) fn take(
    tx: &mut Tx,
    connection: ConnectionId,
    state: &LinkToken,
    now: Timestamp,
) -> Result<Option<Identity>, DbError> {
    let text: Option<String> = tx.scalar(&sql::ANSWER, params![state.hash(), connection, now])?;
    let Some(text) = text else { return Ok(None) };
    if tx.execute(&sql::DELETE_ANSWER, params![state.hash()])? != 1 {
        return Ok(None);
    }
    serde_json::from_str(&text).map(Some).map_err(|error| DbError::Check(error.to_string()))
}
