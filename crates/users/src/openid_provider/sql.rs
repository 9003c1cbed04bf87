//! Statements over grants, codes, refresh tokens, requests, device codes, consents and signing keys.
//!
//! What a person or an admin decides is recorded: a grant begins, a grant ends, a consent, a key. What follows from it by
//! the protocol (a code is used, a refresh token rotates, a device polls) is housekeeping.

platform::statements! {
    pub(super) SESSION: Platform =
        "select account_id, amr, level, auth_time from sessions
         where id = $1 and revoked_at is null and idle_expires_at > $2 and expires_at > $2 and restricted = 0";

    pub(super) INSERT_GRANT: Platform =
        "insert into oauth_grants
           (id, product_id, account_id, session_id, offline, details, code_hash, code_expires_at, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    pub(super) GRANT: Platform =
        "select g.id, g.product_id, g.account_id, g.offline, g.details, g.expires_at, g.revoked_at,
           a.state, a.email, a.name,
           case when s.revoked_at is null and s.idle_expires_at > $2 and s.expires_at > $2 and s.restricted = 0
             then 1 else 0 end,
           g.code_expires_at, g.code_used_at
         from oauth_grants g join accounts a on a.id = g.account_id left join sessions s on s.id = g.session_id
         where g.id = $1";
    pub(super) GRANT_OF_CODE: Platform =
        "select g.id, g.product_id, g.account_id, g.offline, g.details, g.expires_at, g.revoked_at,
           a.state, a.email, a.name,
           case when s.revoked_at is null and s.idle_expires_at > $2 and s.expires_at > $2 and s.restricted = 0
             then 1 else 0 end,
           g.code_expires_at, g.code_used_at
         from oauth_grants g join accounts a on a.id = g.account_id left join sessions s on s.id = g.session_id
         where g.code_hash = $1";
    pub(super) USE_CODE: Housekeeping =
        "update oauth_grants set code_used_at = $2 where id = $1 and code_used_at is null and revoked_at is null";
    pub(super) END_GRANT: Platform =
        "update oauth_grants set revoked_at = $2 where id = $1 and revoked_at is null";
    pub(super) END_OF_PRODUCT: Platform =
        "update oauth_grants set revoked_at = $2 where product_id = $1 and revoked_at is null";
    pub(super) END_OF_ACCOUNT: Platform =
        "update oauth_grants set revoked_at = $2 where account_id = $1 and revoked_at is null and expires_at > $2";
    pub(super) END_OF_SESSION: Platform =
        "update oauth_grants set revoked_at = $2 where session_id = $1 and revoked_at is null and expires_at > $2";
    pub(super) END_OF_ACCOUNT_AT: Platform =
        "update oauth_grants set revoked_at = $3
         where product_id = $1 and account_id = $2 and revoked_at is null";
    pub(super) HOLDERS: Platform =
        "select distinct account_id from oauth_grants
         where product_id = $1 and revoked_at is null and expires_at > $2";
    pub(super) HELD: Platform =
        "select distinct product_id from oauth_grants
         where account_id = $1 and revoked_at is null and expires_at > $2";
    /// The products an account signed in to, with when last and whether something of it lives.
    pub(super) APPS: Platform =
        "select p.id, p.name, max(g.created_at), max(g.offline)
         from oauth_grants g join products p on p.id = g.product_id
         left join sessions s on s.id = g.session_id
         where g.account_id = $1 and g.revoked_at is null and g.expires_at > $2
           and (g.offline = 1 or (s.revoked_at is null and s.idle_expires_at > $2 and s.expires_at > $2))
         group by p.id, p.name order by p.name";
    /// Products to tell that a session has ended.
    pub(super) TO_TELL: Platform =
        "select distinct g.product_id, g.account_id from oauth_grants g join products p on p.id = g.product_id
         where g.session_id = $1 and p.backchannel_logout_uri <> ''";
    pub(super) TO_TELL_OF_ACCOUNT: Platform =
        "select distinct g.product_id, g.session_id from oauth_grants g join products p on p.id = g.product_id
         join sessions s on s.id = g.session_id
         where g.account_id = $1 and s.revoked_at = $2 and p.backchannel_logout_uri <> ''";
    pub(super) CLEAN_GRANTS: Housekeeping = "delete from oauth_grants where expires_at < $1";

    pub(super) INSERT_REFRESH: Housekeeping =
        "insert into oauth_refresh_tokens (token_hash, grant_id, jkt, created_at, expires_at)
         values ($1, $2, $3, $4, $5)";
    pub(super) REFRESH: Platform =
        "select grant_id, expires_at, used_at, jkt from oauth_refresh_tokens where token_hash = $1";
    pub(super) USE_REFRESH: Housekeeping =
        "update oauth_refresh_tokens set used_at = $2 where token_hash = $1 and used_at is null";
    pub(super) CLEAN_REFRESH: Housekeeping = "delete from oauth_refresh_tokens where expires_at < $1";

    pub(super) INSERT_REQUEST: Housekeeping =
        "insert into oauth_requests (token_hash, product_id, kind, parameters, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6)";
    pub(super) REQUEST: Platform =
        "select product_id, parameters, created_at from oauth_requests
         where token_hash = $1 and kind = $2 and used_at is null and expires_at > $3";
    pub(super) USE_REQUEST: Housekeeping =
        "update oauth_requests set used_at = $2 where token_hash = $1 and used_at is null";
    pub(super) CLEAN_REQUESTS: Housekeeping = "delete from oauth_requests where expires_at < $1";

    pub(super) CONSENT: Platform =
        "select scopes from oauth_consents where account_id = $1 and product_id = $2";
    pub(super) SET_CONSENT: Platform =
        "insert into oauth_consents (account_id, product_id, scopes, granted_at) values ($1, $2, $3, $4)
         on conflict (account_id, product_id) do update set scopes = excluded.scopes, granted_at = excluded.granted_at";
    pub(super) DELETE_CONSENT: Platform =
        "delete from oauth_consents where account_id = $1 and product_id = $2";

    pub(super) INSERT_DEVICE: Housekeeping =
        "insert into oauth_device_codes
           (device_hash, user_code, product_id, details, state, created_at, expires_at, interval_us)
         values ($1, $2, $3, $4, 'waiting', $5, $6, $7) on conflict do nothing";
    pub(super) DEVICE: Platform =
        "select product_id, state, grant_id, expires_at, polled_at, interval_us from oauth_device_codes
         where device_hash = $1";
    pub(super) DEVICE_BY_USER_CODE: Platform =
        "select device_hash, product_id, details from oauth_device_codes
         where user_code = $1 and state = 'waiting' and expires_at > $2";
    pub(super) DECIDE_DEVICE: Housekeeping =
        "update oauth_device_codes set state = $2, grant_id = $3 where device_hash = $1 and state = 'waiting'";
    pub(super) POLL_DEVICE: Housekeeping =
        "update oauth_device_codes set polled_at = $2, interval_us = $3 where device_hash = $1";
    pub(super) USE_DEVICE: Housekeeping =
        "update oauth_device_codes set state = 'used' where device_hash = $1 and state = 'allowed'";
    pub(super) CLEAN_DEVICES: Housekeeping = "delete from oauth_device_codes where expires_at < $1";

    pub(super) SPEND: Housekeeping =
        "insert into oauth_spent (hash, expires_at) values ($1, $2) on conflict do nothing";
    /// As `SPEND`, for what somebody decided: a token is revoked.
    pub(super) REVOKE_TOKEN: Platform =
        "insert into oauth_spent (hash, expires_at) values ($1, $2) on conflict do nothing";
    pub(super) SPENT: Platform = "select 1 from oauth_spent where hash = $1";
    pub(super) CLEAN_SPENT: Housekeeping = "delete from oauth_spent where expires_at < $1";

    pub(super) INSERT_KEY: Platform =
        "insert into oauth_keys (id, algorithm, public, sealed, signs_from, created_at)
         values ($1, $2, $3, $4, $5, $6)";
    pub(super) KEYS: Platform =
        "select id, algorithm, sealed, signs_from from oauth_keys order by signs_from, id";
    /// For the rotation of the keys that seal (`platform::secrets::rotation`).
    pub(super) KEYS_CENSUS: Platform =
        "select substr(sealed, 1, 5), count(*) from oauth_keys group by substr(sealed, 1, 5)";
    pub(super) KEYS_SEALED_BEFORE: Platform =
        "select id, sealed from oauth_keys where sealed < $1 and id > $2 order by id limit $3";
    pub(super) KEY_RESEALED: Housekeeping = "update oauth_keys set sealed = $3 where id = $1 and sealed = $2";
    pub(super) DELETE_KEY: Platform = "delete from oauth_keys where id = $1";
}
