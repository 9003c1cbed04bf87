//! Statements over sessions.

platform::statements! {
    pub(super) INSERT: Platform =
        "insert into sessions (id, account_id, token_hash, method, network, user_agent, created_at, last_seen_at,
           idle_expires_at, expires_at, idle_us, amr, level, auth_time, step_up_us, restricted, connection_id,
           upstream_subject, upstream_session, upstream_name)
         values ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12, $15, $13, $14, $16, $17, $18, $19)";
    pub(super) LIVE: Platform =
        "select s.id, s.account_id, a.name, a.email, a.state, s.last_seen_at, s.idle_us,
           s.auth_time + s.step_up_us, s.restricted, s.created_at, s.expires_at, s.level, s.auth_time,
           c.organization_id, c.id
         from sessions s join accounts a on a.id = s.account_id left join connections c on c.id = s.connection_id
         where s.token_hash = $1 and s.revoked_at is null and s.idle_expires_at > $2 and s.expires_at > $2";
    pub(super) TOUCH: Housekeeping =
        "update sessions set last_seen_at = $2, idle_expires_at = $3, expires_at = $4, idle_us = $5, restricted = $6
         where id = $1 and revoked_at is null";
    pub(super) LIST: Platform =
        "select id, method, network, user_agent, created_at, last_seen_at, expires_at, amr, level, auth_time
         from sessions
         where account_id = $1 and revoked_at is null and idle_expires_at > $2 and expires_at > $2
         order by created_at desc limit 200";
    pub(super) REVOKE: Platform =
        "update sessions set revoked_at = $3 where account_id = $1 and id = $2 and revoked_at is null";
    pub(super) REVOKE_ALL: Platform =
        "update sessions set revoked_at = $3
         where account_id = $1 and revoked_at is null and expires_at > $3 and (id <> $2 or $2 is null)";
    pub(super) STANDING: Platform =
        "select level, restricted from sessions where account_id = $1 and id = $2 and revoked_at is null";
    /// A later proof in a running session; it never lowers what was reached.
    pub(super) PROVED: Platform =
        "update sessions set method = $3, amr = $4, level = case when level < $5 then $5 else level end,
           auth_time = $6, step_up_us = $7, restricted = $8
         where account_id = $1 and id = $2 and revoked_at is null";
    pub(super) RECHECK: Platform =
        "update sessions set restricted = case when level < $2 then 1 else 0 end
         where account_id = $1 and revoked_at is null and restricted <> case when level < $2 then 1 else 0 end";
    pub(super) CAME_THROUGH: Platform =
        "select s.id, c.organization_id, c.id from sessions s left join connections c on c.id = s.connection_id
         where s.account_id = $1 and s.revoked_at is null and s.expires_at > $2";
    pub(super) UPSTREAM_OF: Platform =
        "select connection_id, upstream_subject, upstream_session, upstream_name from sessions
         where id = $1 and revoked_at is null and connection_id is not null";
    pub(super) CLEAN: Housekeeping = "delete from sessions where expires_at < $1";
}
