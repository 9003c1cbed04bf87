//! Statements over single-use links.

platform::statements! {
    pub(super) INSERT: Platform =
        "insert into links (token_hash, purpose, account_id, email, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6)";
    pub(super) FIND: Platform =
        "select account_id, email, expires_at from links
         where token_hash = $1 and purpose = $2 and used_at is null and expires_at > $3";
    pub(super) CONSUME: Platform =
        "update links set used_at = $3
         where token_hash = $1 and purpose = $2 and used_at is null and expires_at > $3";
    pub(super) FIND_USED: Platform = "select account_id, email, expires_at from links where token_hash = $1";
    pub(super) REVOKE: Platform =
        "update links set used_at = $3 where email = $1 and purpose = $2 and used_at is null";
    pub(super) CLEAN: Housekeeping = "delete from links where expires_at < $1";
    pub(super) MADE_SINCE: Platform =
        "select count(*) from links where email = $1 and purpose = $2 and created_at > $3";
}
