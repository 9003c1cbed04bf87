//! What the installation says of itself to its other processes.
//!
//! The address is a setting of the server; a command on the same machine or store, started without that setting, would
//! make links to somewhere else. So the server leaves its address in the store, and commands take it from there.

use url::Url;

use crate::db::{Db, DbError};
use crate::params;

mod sql {
    crate::statements! {
        pub(super) VALUE: Platform = "select value from installation where name = $1";
        /// No organization's state: where the server is, told anew at each start.
        pub(super) SET: Housekeeping = "insert into installation (name, value) values ($1, $2)
            on conflict (name) do update set value = excluded.value";
    }
}

const PUBLIC_URL: &str = "public_url";

/// Leaves the address of the server that starts.
pub async fn announce(db: &Db, public_url: &Url) -> Result<(), DbError> {
    if announced(db).await?.as_ref() == Some(public_url) {
        return Ok(());
    }
    let text = public_url.as_str().as_bytes().to_vec();
    db.housekeeping(move |tx| {
        tx.execute(&sql::SET, params![PUBLIC_URL, text.clone()])?;
        Ok(())
    })
    .await
}

/// Where the server last said it is; nothing before its first start.
pub async fn announced(db: &Db) -> Result<Option<Url>, DbError> {
    let stored: Option<Vec<u8>> = db.read(|tx| tx.scalar(&sql::VALUE, params![PUBLIC_URL])).await?;
    Ok(stored.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| Url::parse(&text).ok()))
}
