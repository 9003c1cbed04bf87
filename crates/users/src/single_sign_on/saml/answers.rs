//! Answers between the form that brought them and the browser that takes them up: who was vouched for, or what was wrong.

use platform::db::{DbError, Tx};
use platform::params;
use platform::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::arrival::Identity;
use super::super::oidc::{Place, Trouble};
use super::super::{ConnectionId, sql};
use super::{Accepted, KEPT};
use crate::tokens::LinkToken;

#[derive(Serialize, Deserialize)]
enum Kept {
    Identity(Identity),
    Wrong { field: String, detail: String },
}

fn put(
    tx: &mut Tx,
    connection: ConnectionId,
    state: &LinkToken,
    kept: &Kept,
    now: Timestamp,
) -> Result<(), DbError> {
    let text = serde_json::to_string(kept).map_err(|error| DbError::Check(error.to_string()))?;
    // The first answer counts.
    tx.execute(&sql::INSERT_ANSWER, params![state.hash(), connection, text, now.plus(KEPT)])?;
    Ok(())
}

/// Keeps an answer under its state. `false`: the assertion was used before.
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
    put(tx, connection, state, &Kept::Identity(accepted.identity.clone()), now)?;
    Ok(true)
}

/// Keeps what was wrong with an answer, for the browser that asked.
pub(crate) fn keep_trouble(
    tx: &mut Tx,
    connection: ConnectionId,
    state: &LinkToken,
    trouble: &Trouble,
    now: Timestamp,
) -> Result<(), DbError> {
    let wrong = Kept::Wrong { field: trouble.field.clone(), detail: trouble.detail.clone() };
    put(tx, connection, state, &wrong, now)
}

/// Takes an answer up; it is gone afterwards.
pub(crate) fn take(
    tx: &mut Tx,
    connection: ConnectionId,
    state: &LinkToken,
    now: Timestamp,
) -> Result<Option<Result<Identity, Trouble>>, DbError> {
    let text: Option<String> = tx.scalar(&sql::ANSWER, params![state.hash(), connection, now])?;
    let Some(text) = text else { return Ok(None) };
    if tx.execute(&sql::DELETE_ANSWER, params![state.hash()])? != 1 {
        return Ok(None);
    }
    let kept = serde_json::from_str(&text).map_err(|error| DbError::Check(error.to_string()))?;
    Ok(Some(match kept {
        Kept::Identity(identity) => Ok(identity),
        Kept::Wrong { field, detail } => Err(Trouble::new(Place::Answer, field, detail)),
    }))
}
