//! Statements over API tokens. Selects of whole tokens list the columns that `read_token` expects.

platform::statements! {
    pub(super) INSERT: Tenant =
        "insert into api_tokens
           (organization_id, id, name, token_hash, scopes, created_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)";
    pub(super) COUNT_LIVE: Tenant =
        "select count(*) from api_tokens
         where organization_id = $1 and revoked_at is null and expires_at > $2";
    pub(super) LIST: Tenant =
        "select id, name, scopes, created_by, created_at, expires_at, last_used_at, revoked_at
         from api_tokens where organization_id = $1 and id < $2 order by id desc limit $3";
    pub(super) GET: Tenant =
        "select id, name, scopes, created_by, created_at, expires_at, last_used_at, revoked_at
         from api_tokens where organization_id = $1 and id = $2";
    pub(super) REVOKE: Tenant =
        "update api_tokens set revoked_at = $3
         where organization_id = $1 and id = $2 and revoked_at is null and expires_at > $3";
    /// Across organizations: the token alone says which one it is of.
    pub(super) BY_HASH: Platform =
        "select t.id, t.organization_id, t.name, t.scopes, t.last_used_at, t.created_by, m.role, m.state, a.state,
           t.created_at
         from api_tokens t
         join organizations o on o.id = t.organization_id and o.state = 'active'
         left join memberships m on m.organization_id = t.organization_id and m.account_id = t.created_by
         left join accounts a on a.id = t.created_by
         where t.token_hash = $1 and t.revoked_at is null and t.expires_at > $2";
    pub(super) TOUCH: Housekeeping = "update api_tokens set last_used_at = $2 where id = $1";
}
