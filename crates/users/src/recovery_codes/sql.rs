//! Statements over recovery codes.

platform::statements! {
    pub(super) LEFT: Platform = "select count(*) from recovery_codes where account_id = $1 and used_at is null";
    pub(super) INSERT: Platform =
        "insert into recovery_codes (account_id, code_hash, created_at) values ($1, $2, $3)";
    pub(super) USE: Platform =
        "update recovery_codes set used_at = $3 where account_id = $1 and code_hash = $2 and used_at is null";
    pub(super) REMOVE: Platform = "delete from recovery_codes where account_id = $1";
}
