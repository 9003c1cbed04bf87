//! Statements over passkeys and answered challenges.

platform::statements! {
    pub(super) INSERT: Platform =
        "insert into passkeys (id, account_id, credential_id, name, public_key, sign_count, aaguid, attested, synced,
           created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (credential_id) do nothing";
    pub(super) LIST: Platform =
        "select id, account_id, credential_id, name, public_key, sign_count, aaguid, attested, synced, created_at,
           last_used_at
         from passkeys where account_id = $1 order by created_at, id";
    pub(super) BY_CREDENTIAL: Platform =
        "select id, account_id, credential_id, name, public_key, sign_count, aaguid, attested, synced, created_at,
           last_used_at
         from passkeys where credential_id = $1";
    pub(super) USED: Platform =
        "update passkeys set sign_count = $2, last_used_at = $3
         where id = $1 and (sign_count < $2 or (sign_count = 0 and $2 = 0))";
    pub(super) RENAME: Platform = "update passkeys set name = $3 where account_id = $1 and id = $2";
    pub(super) REMOVE: Platform = "delete from passkeys where account_id = $1 and id = $2";
    pub(super) REMOVE_ALL: Platform = "delete from passkeys where account_id = $1";
    pub(super) SPEND: Housekeeping =
        "insert into spent_challenges (challenge_hash, expires_at) values ($1, $2)
         on conflict (challenge_hash) do nothing";
    pub(super) CLEAN: Housekeeping = "delete from spent_challenges where expires_at < $1";
}
