//! Statements over sign-ins that wait for their second step.

platform::statements! {
    pub(super) INSERT: Platform =
        "insert into pending_sign_ins (token_hash, account_id, created_at, expires_at) values ($1, $2, $3, $4)";
    pub(super) FIND: Platform =
        "select account_id from pending_sign_ins
         where token_hash = $1 and used_at is null and expires_at > $2 and attempts < $3";
    pub(super) FAIL: Platform = "update pending_sign_ins set attempts = attempts + 1 where token_hash = $1";
    pub(super) CONSUME: Platform =
        "update pending_sign_ins set used_at = $2 where token_hash = $1 and used_at is null and expires_at > $2";
    pub(super) FORGET: Platform = "delete from pending_sign_ins where account_id = $1";
    pub(super) CLEAN: Housekeeping = "delete from pending_sign_ins where expires_at < $1";
}
