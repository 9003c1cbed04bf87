//! Statements of the certificate. All housekeeping: they may come before there is a provider, whose ledger would take the
//! event; when there is one, the event is recorded in the same transaction.

crate::statements! {
    pub(super) ACCOUNT: Platform = "select sealed from acme_accounts where directory = $1";
    pub(super) ACCOUNT_SET: Housekeeping =
        "insert into acme_accounts (directory, sealed, created_at) values ($1, $2, $3)
         on conflict (directory) do nothing";
    pub(super) ACCOUNT_FORGET: Housekeeping = "delete from acme_accounts where directory = $1";
    pub(super) FIND: Platform =
        "select chain, sealed_key, not_before, not_after, failures, last_error, next_try_at, changed_at
         from acme_certificates where names = $1";
    pub(super) OBTAINED: Housekeeping =
        "insert into acme_certificates
           (names, chain, sealed_key, not_before, not_after, failures, last_error, next_try_at, changed_at)
         values ($1, $2, $3, $4, $5, 0, null, $6, $7)
         on conflict (names) do update set chain = excluded.chain, sealed_key = excluded.sealed_key,
           not_before = excluded.not_before, not_after = excluded.not_after, failures = 0, last_error = null,
           next_try_at = excluded.next_try_at, changed_at = excluded.changed_at";
    pub(super) FAILED: Housekeeping =
        "insert into acme_certificates (names, failures, last_error, next_try_at, changed_at)
         values ($1, $2, $3, $4, $5)
         on conflict (names) do update set failures = excluded.failures, last_error = excluded.last_error,
           next_try_at = excluded.next_try_at";
    pub(super) TRY_NOW: Housekeeping = "update acme_certificates set next_try_at = $2 where names = $1";
    pub(super) CHALLENGE_SET: Housekeeping =
        "insert into acme_challenges (token, name, key_authorization, created_at) values ($1, $2, $3, $4)
         on conflict (token) do update set key_authorization = excluded.key_authorization";
    pub(super) CHALLENGES_END: Housekeeping = "delete from acme_challenges where created_at < $1";
    pub(super) CHALLENGE_BY_TOKEN: Platform = "select key_authorization from acme_challenges where token = $1";
    pub(super) CHALLENGE_BY_NAME: Platform =
        "select key_authorization from acme_challenges where name = $1 order by created_at desc limit 1";

    // ---- for the rotation of keys (`secrets::rotation`)

    pub(super) ACCOUNTS_CENSUS: Platform =
        "select substr(sealed, 1, 5), count(*) from acme_accounts where sealed is not null group by substr(sealed, 1, 5)";
    pub(super) ACCOUNTS_BEFORE: Platform =
        "select directory, sealed from acme_accounts where sealed < $1 and directory > $2 order by directory limit $3";
    pub(super) ACCOUNTS_RESEALED: Housekeeping =
        "update acme_accounts set sealed = $3 where directory = $1 and sealed = $2";
    pub(super) KEYS_CENSUS: Platform =
        "select substr(sealed_key, 1, 5), count(*) from acme_certificates where sealed_key is not null group by substr(sealed_key, 1, 5)";
    pub(super) KEYS_BEFORE: Platform =
        "select names, sealed_key from acme_certificates where sealed_key < $1 and names > $2 order by names limit $3";
    pub(super) KEYS_RESEALED: Housekeeping =
        "update acme_certificates set sealed_key = $3 where names = $1 and sealed_key = $2";
}
