//! Statements over sign-ins that wait for their second step.

platform::statements! {
    pub(super) INSERT: Platform =
        "insert into pending_sign_ins (token_hash, account_id, created_at, expires_at, connection_id, upstream_subject,
           upstream_session, upstream_name)
         values ($1, $2, $3, $4, $5, $6, $7, $8)";
    pub(super) UPSTREAM: Platform =
        "select p.connection_id, p.upstream_subject, p.upstream_session, c.organization_id, c.state, p.upstream_name
         from pending_sign_ins p join connections c on c.id = p.connection_id
         where p.token_hash = $1";
    pub(super) FIND: Platform =
        "select account_id from pending_sign_ins
         where token_hash = $1 and used_at is null and expires_at > $2 and attempts < $3";
    pub(super) TRY: Platform =
        "update pending_sign_ins set attempts = attempts + 1
         where token_hash = $1 and used_at is null and expires_at > $2 and attempts < $3";
    pub(super) CONSUME: Platform =
        "update pending_sign_ins set used_at = $2 where token_hash = $1 and used_at is null and expires_at > $2";
    pub(super) FORGET: Platform = "delete from pending_sign_ins where account_id = $1";
    pub(super) CLEAN: Housekeeping = "delete from pending_sign_ins where expires_at < $1";
}
