//! Statements over authenticator apps.

platform::statements! {
    pub(super) FIND: Platform =
        "select secret, created_at, confirmed_at, last_step from totp_factors where account_id = $1";
    /// A secret that was never confirmed gives way to the next; a confirmed one does not.
    pub(super) BEGIN: Platform =
        "insert into totp_factors (account_id, secret, created_at, last_step) values ($1, $2, $3, -1)
         on conflict (account_id) do update set secret = excluded.secret, created_at = excluded.created_at,
           last_step = -1
         where totp_factors.confirmed_at is null";
    pub(super) CONFIRM: Platform =
        "update totp_factors set confirmed_at = $2, last_step = $3
         where account_id = $1 and confirmed_at is null and last_step < $3";
    pub(super) ACCEPT: Platform =
        "update totp_factors set last_step = $2
         where account_id = $1 and confirmed_at is not null and last_step < $2";
    /// For the rotation of keys (`platform::secrets::rotation`).
    pub(super) CENSUS: Platform =
        "select substr(secret, 1, 5), count(*) from totp_factors group by substr(secret, 1, 5)";
    pub(super) SEALED_BEFORE: Platform =
        "select account_id, secret from totp_factors where secret < $1 and account_id > $2
         order by account_id limit $3";
    pub(super) RESEALED: Housekeeping =
        "update totp_factors set secret = $3 where account_id = $1 and secret = $2";
    pub(super) REMOVE: Platform = "delete from totp_factors where account_id = $1";
}
