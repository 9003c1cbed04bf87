//! Statements over sealed codes and openings. Selects of openings list the columns that `read_opening` expects.

platform::statements! {
    pub(super) OPEN_FOR: Tenant =
        "select 1 from break_glass_openings b
         join memberships m on m.organization_id = b.organization_id and m.account_id = $2
         where b.organization_id = $1 and b.state = 'open' and b.expires_at > $3
           and (b.asked_by = $2 or b.joined_by = $2) and m.role = 'owner' and m.state = 'active'";
    /// For whom the rules are lifted.
    pub(super) LIFTED: Tenant =
        "select m.account_id from break_glass_openings b
         join memberships m on m.organization_id = b.organization_id and m.role = 'owner' and m.state = 'active'
           and (m.account_id = b.asked_by or m.account_id = b.joined_by)
         where b.organization_id = $1 and b.state = 'open' and b.expires_at > $2";
    pub(super) LIFTS_SECOND_STEP: Platform =
        "select 1 from accounts a
         join memberships m on m.account_id = a.id and m.role = 'owner' and m.state = 'active'
         join break_glass_openings b on b.organization_id = m.organization_id and b.state = 'open'
         where a.id = $1 and b.expires_at > $2 and (b.asked_by = a.id or b.joined_by = a.id)
           and (a.managed_by = b.organization_id or not exists (select 1 from memberships o
             where o.account_id = a.id and o.organization_id <> b.organization_id and o.state = 'active'))";
    pub(super) OPENINGS: Tenant =
        "select id, state, reason, hours, asked_by, asked_at, joined_by, opened_at, expires_at, ended_at
         from break_glass_openings where organization_id = $1 and id < $2 order by id desc limit $3";
    /// What waits or is open; one whose time is over is neither, also before the job has seen it.
    pub(super) CURRENT: Tenant =
        "select id, state, reason, hours, asked_by, asked_at, joined_by, opened_at, expires_at, ended_at
         from break_glass_openings
         where organization_id = $1 and state in ('asked', 'open') and expires_at > $2 order by id desc limit 1";
    pub(super) UNENDED: Tenant =
        "select id, state, reason, hours, asked_by, asked_at, joined_by, opened_at, expires_at, ended_at
         from break_glass_openings
         where organization_id = $1 and state in ('asked', 'open') order by id limit 1";
    pub(super) ASK: Tenant =
        "insert into break_glass_openings (organization_id, id, state, reason, hours, asked_by, asked_at, expires_at)
         values ($1, $2, 'asked', $3, $4, $5, $6, $7)";
    pub(super) OPEN: Tenant =
        "update break_glass_openings set state = 'open', joined_by = $3, opened_at = $4, expires_at = $5
         where organization_id = $1 and id = $2 and state = 'asked'";
    pub(super) END: Tenant =
        "update break_glass_openings set state = $3, ended_at = $4 where organization_id = $1 and id = $2";
    pub(super) HOLDERS: Tenant =
        "select m.account_id, m.email, m.name,
           (select max(c.created_at) from break_glass_codes c where c.organization_id = $1
             and c.account_id = m.account_id and c.used_at is null and c.revoked_at is null)
         from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.role = 'owner' and m.state = 'active' and a.state = 'active'
         order by m.email";
    pub(super) INSERT_CODE: Tenant =
        "insert into break_glass_codes (organization_id, id, account_id, code_hash, created_at)
         values ($1, $2, $3, $4, $5)";
    pub(super) REVOKE_CODES: Tenant =
        "update break_glass_codes set revoked_at = $3
         where organization_id = $1 and account_id = $2 and used_at is null and revoked_at is null";
    pub(super) LIVE_CODE: Tenant =
        "select id from break_glass_codes
         where organization_id = $1 and account_id = $2 and code_hash = $3 and used_at is null and revoked_at is null";
    pub(super) USE_CODE: Tenant =
        "update break_glass_codes set used_at = $3 where organization_id = $1 and id = $2 and used_at is null";
    pub(super) SIGN_OUT_SINCE: Platform =
        "update sessions set revoked_at = $3 where account_id = $1 and created_at >= $2 and revoked_at is null";
}
