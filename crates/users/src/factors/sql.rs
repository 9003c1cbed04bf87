//! Statements over factors as a whole.

platform::statements! {
    pub(super) HAS_ANY: Platform =
        "select 1 from totp_factors where account_id = $1 and confirmed_at is not null
         union all select 1 from passkeys where account_id = $1 limit 1";
}
