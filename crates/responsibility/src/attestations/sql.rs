//! Statements of declarations: attestations and accepted risks.

platform::statements! {
    /// Those that nobody took back, of one cell.
    pub(super) STANDING: Tenant =
        "select id, kind, person, reason, made_at, valid_until from declarations
         where organization_id = $1 and duty = $2 and side = $3 and revoked_at is null";
    pub(super) ONE: Tenant =
        "select duty, side, kind, revoked_at from declarations where organization_id = $1 and id = $2";
    /// A new word takes the place of the one before it.
    pub(super) REPLACE: Tenant =
        "update declarations set revoked_at = $5
         where organization_id = $1 and duty = $2 and side = $3 and kind = $4 and revoked_at is null";
    pub(super) INSERT: Tenant =
        "insert into declarations
           (organization_id, id, duty, side, kind, account_id, person, reason, made_at, valid_until)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    pub(super) REVOKE: Tenant =
        "update declarations set revoked_at = $3 where organization_id = $1 and id = $2 and revoked_at is null";
}
