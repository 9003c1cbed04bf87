//! Home-realm discovery: from an address to the connections that sign its people in.
//!
//! The answer depends on the address's domain alone, which its organization has published a proof for, and never on
//! whether there is such an account: nobody learns who has one.

use platform::db::{DbError, ReadTx};
use platform::params;

use super::{Connection, read_connection, sql};
use crate::accounts::email::EmailAddress;

/// The active connections for addresses like this one.
pub fn connections_for(tx: &mut ReadTx, address: &EmailAddress) -> Result<Vec<Connection>, DbError> {
    let mut found = tx.list(&sql::OF_DOMAIN, params![address.domain()], read_connection)?;
    found.retain(|connection| connection.mapping.takes_domain(address.domain()));
    Ok(found)
}
