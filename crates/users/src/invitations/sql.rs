//! Statements over invitations. Selects of whole invitations list the columns that `read_invitation` expects.

platform::statements! {
    pub(super) INSERT: Tenant =
        "insert into invitations
           (organization_id, id, email, role, token_hash, state, invited_by, created_at, sent_at, expires_at)
         values ($1, $2, $3, $4, $5, 'pending', $6, $7, $7, $8)";
    pub(super) INSERT_GROUP: Tenant =
        "insert into invitation_groups (organization_id, invitation_id, group_id) values ($1, $2, $3)
         on conflict do nothing";
    pub(super) GROUPS: Tenant =
        "select group_id from invitation_groups where organization_id = $1 and invitation_id = $2";
    pub(super) EXPIRE: Tenant =
        "update invitations set state = 'expired', decided_at = $3
         where organization_id = $1 and email = $2 and state = 'pending' and expires_at <= $3";
    pub(super) PENDING_FOR: Tenant =
        "select id from invitations where organization_id = $1 and email = $2 and state = 'pending'";
    pub(super) COUNT_PENDING: Tenant =
        "select count(*) from invitations where organization_id = $1 and state = 'pending'";
    pub(super) COUNT_SENT: Tenant =
        "select count(*) from invitations where organization_id = $1 and sent_at > $2";
    pub(super) FIND: Tenant =
        "select organization_id, id, email, role, state, invited_by, created_at, sent_at, expires_at
         from invitations where organization_id = $1 and id = $2";
    pub(super) LIST: Tenant =
        "select organization_id, id, email, role, state, invited_by, created_at, sent_at, expires_at
         from invitations where organization_id = $1 and (state = $2 or $2 is null) and id < $3
         order by id desc limit $4";
    pub(super) OLDEST: Tenant =
        "select min(created_at), count(*) from invitations
         where organization_id = $1 and state = 'pending' and expires_at > $2";
    pub(super) RENEW: Tenant =
        "update invitations set token_hash = $3, sent_at = $4, expires_at = $5, invited_by = $6
         where organization_id = $1 and id = $2 and state = 'pending'";
    pub(super) DECIDE: Tenant =
        "update invitations set state = $3, decided_at = $4
         where organization_id = $1 and id = $2 and state = 'pending'";
    pub(super) ACCEPT: Tenant =
        "update invitations set state = 'accepted', decided_at = $4
         where organization_id = $1 and id = $2 and token_hash = $3 and state = 'pending' and expires_at > $4";
    /// Across organizations: the link alone says which one it is about.
    pub(super) BY_TOKEN: Platform =
        "select organization_id, id, email, role, state, invited_by, created_at, sent_at, expires_at
         from invitations where token_hash = $1 and state = 'pending' and expires_at > $2";
}
