//! Statements over domains. Selects of whole domains list the columns that `read_domain` expects.

platform::statements! {
    pub(super) FIND: Tenant =
        "select organization_id, id, name, state, state_since, token, token_expires_at, proof_method, proof_resolvers,
           proved_at, checked_at, check_report, misses, unanswered_since, due_at, claim_new, claim_new_since, lost_at,
           created_at
         from domains where organization_id = $1 and id = $2";
    /// Without removed ones, and without losses that were mended.
    pub(super) LIST: Tenant =
        "select organization_id, id, name, state, state_since, token, token_expires_at, proof_method, proof_resolvers,
           proved_at, checked_at, check_report, misses, unanswered_since, due_at, claim_new, claim_new_since, lost_at,
           created_at
         from domains
         where organization_id = $1 and state <> 'removed' and resolved_at is null
           and name >= $2 and name < $3 and (name, id) > ($4, $5)
         order by name, id limit $6";
    pub(super) OPEN: Tenant =
        "select organization_id, id, name, state, state_since, token, token_expires_at, proof_method, proof_resolvers,
           proved_at, checked_at, check_report, misses, unanswered_since, due_at, claim_new, claim_new_since, lost_at,
           created_at
         from domains
         where organization_id = $1 and name = $2 and state in ('pending', 'verified', 'at_risk', 'suspended')";
    pub(super) HOLDER: Platform =
        "select organization_id, id, name, state, state_since, token, token_expires_at, proof_method, proof_resolvers,
           proved_at, checked_at, check_report, misses, unanswered_since, due_at, claim_new, claim_new_since, lost_at,
           created_at
         from domains where name = $1 and state in ('verified', 'at_risk', 'suspended')";
    pub(super) COUNT_LOST_AFTER: Platform =
        "select count(*) from domains
         where name = $1 and state = 'lost' and resolved_at is null and lost_at >= $2";
    pub(super) COUNT_CLAIMABLE: Tenant =
        "select count(*) from domains
         where organization_id = $1 and name = $2 and state in ('verified', 'at_risk')";
    pub(super) COUNT_HELD: Tenant =
        "select count(*) from domains where organization_id = $1 and state in ('verified', 'at_risk')";
    pub(super) COUNT_PENDING: Tenant =
        "select count(*) from domains where organization_id = $1 and state = 'pending'";
    pub(super) COUNT_ALL: Tenant =
        "select count(*) from domains where organization_id = $1 and state <> 'removed'";
    pub(super) INSERT: Tenant =
        "insert into domains (organization_id, id, name, state, state_since, token, token_expires_at, misses,
           claim_new, claim_new_since, created_at)
         values ($1, $2, $3, 'pending', $4, $5, $6, 0, 0, $4, $4)";
    pub(super) RENEW: Tenant =
        "update domains set token = $3, token_expires_at = $4
         where organization_id = $1 and id = $2 and state = 'pending'";
    pub(super) SET_CLAIM_NEW: Tenant =
        "update domains set claim_new = $3, claim_new_since = $4 where organization_id = $1 and id = $2";
    pub(super) SET_REMOVED: Tenant =
        "update domains set state = 'removed', state_since = $3, due_at = null
         where organization_id = $1 and id = $2";
    pub(super) SET_LOST: Tenant =
        "update domains set state = 'lost', state_since = $3, lost_at = $3, due_at = null, claim_new = 0
         where organization_id = $1 and id = $2 and state in ('verified', 'at_risk', 'suspended')";

    // ---- checks

    /// The first proof takes the name; the unique index refuses a second holder.
    pub(super) SET_VERIFIED: Tenant =
        "update domains set state = 'verified', state_since = $3, proof_method = $4, proof_hash = $5,
           proof_resolvers = $6, proved_at = $3, checked_at = $3, check_report = $7, misses = 0,
           unanswered_since = null, due_at = $8, claim_new_since = $3
         where organization_id = $1 and id = $2 and state = 'pending' and token = $9";
    /// What the organization lost of this name earlier is its own again.
    pub(super) RESOLVE_LOSSES: Tenant =
        "update domains set resolved_at = $3
         where organization_id = $1 and name = $2 and state = 'lost' and resolved_at is null";
    pub(super) SET_RECOVERED: Tenant =
        "update domains set state = 'verified', state_since = $3, proof_method = $4, proof_hash = $5,
           proof_resolvers = $6, proved_at = $3, checked_at = $3, check_report = $7, misses = 0,
           unanswered_since = null, due_at = $8
         where organization_id = $1 and id = $2 and state in ('at_risk', 'suspended')";
    pub(super) SET_STATE: Tenant =
        "update domains set state = $3, state_since = $4, checked_at = $4, check_report = $5, misses = $6,
           due_at = $7, unanswered_since = $9
         where organization_id = $1 and id = $2 and state = $8";
    pub(super) SET_REPORT: Tenant =
        "update domains set checked_at = $3, check_report = $4 where organization_id = $1 and id = $2";
    /// Seen as expected: no change of state in the audited sense.
    pub(super) KEEP_FOUND: Housekeeping =
        "update domains set proof_method = $3, proof_hash = $4, proof_resolvers = $5, proved_at = $6, checked_at = $6,
           check_report = $7, misses = 0, unanswered_since = null, due_at = $8
         where organization_id = $1 and id = $2 and state = 'verified'";
    pub(super) KEEP_MISSED: Housekeeping =
        "update domains set checked_at = $3, check_report = $4, misses = $5, unanswered_since = null, due_at = $6
         where organization_id = $1 and id = $2 and state in ('verified', 'at_risk', 'suspended')";
    pub(super) KEEP_UNANSWERED: Housekeeping =
        "update domains set checked_at = $3, check_report = $4, unanswered_since = coalesce(unanswered_since, $3),
           due_at = $5
         where organization_id = $1 and id = $2 and state in ('verified', 'at_risk', 'suspended')";
    /// Somebody else proved the name: look at its holder soon.
    pub(super) BRING_FORWARD: Housekeeping =
        "update domains set due_at = $2 where name = $1 and state in ('verified', 'at_risk', 'suspended')
           and due_at > $2";

    // ---- the scheduled re-check

    pub(super) DUE: Platform =
        "select organization_id, id, name, state, state_since, token, token_expires_at, proof_method, proof_resolvers,
           proved_at, checked_at, check_report, misses, unanswered_since, due_at, claim_new, claim_new_since, lost_at,
           created_at
         from domains where due_at is not null and due_at <= $1 and (due_at, id) > ($2, $3)
         order by due_at, id limit $4";
    /// Makes those due whose last check found the proof gone, or whose server was silent since before $2: for a run that
    /// the provider asked for.
    pub(super) MISSED_ARE_DUE: Housekeeping =
        "update domains set due_at = $1
         where due_at > $1 and (misses > 0 or unanswered_since <= $2)
           and state in ('verified', 'at_risk', 'suspended')";
    /// Who tries to prove a name that another organization holds, with a token that still works.
    pub(super) RIVALS: Platform =
        "select token from domains
         where name = $1 and state = 'pending' and organization_id <> $2 and token_expires_at > $3
         order by created_at limit $4";
    pub(super) COUNT_OVERDUE: Platform =
        "select count(*) from domains where due_at is not null and due_at < $1";
    pub(super) COUNT_BY_STATE: Platform = "select state, count(*) from domains group by state order by state";
    pub(super) TROUBLED: Platform =
        "select d.organization_id, d.id, d.name, d.state, d.state_since, d.token, d.token_expires_at, d.proof_method,
           d.proof_resolvers, d.proved_at, d.checked_at, d.check_report, d.misses, d.unanswered_since, d.due_at,
           d.claim_new, d.claim_new_since, d.lost_at, d.created_at, o.name, o.slug
         from domains d join organizations o on o.id = d.organization_id
         where d.due_at is not null
           and (d.state in ('at_risk', 'suspended') or d.misses > 0 or d.unanswered_since is not null)
         order by d.name limit $1";

    // ---- around

    /// Whom the organization's notices go to.
    pub(super) ADMINS: Tenant =
        "select a.email from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.role in ('owner', 'admin') and m.state = 'active' and a.state = 'active'
         order by m.email limit 50";
    /// Mail domains of the people here, the most used first.
    pub(super) USED: Tenant =
        "select a.email_domain, count(*) from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.state = 'active' and a.state <> 'deleted'
         group by a.email_domain having count(*) >= $2 order by 2 desc, 1 limit $3";
    /// Domains that the organization holds or tries to prove.
    pub(super) TRIED: Tenant =
        "select name, state, id from domains
         where organization_id = $1 and state in ('pending', 'verified', 'at_risk', 'suspended') order by name";
    pub(super) HELD: Tenant =
        "select name, state from domains
         where organization_id = $1 and state in ('verified', 'at_risk', 'suspended') order by name";
}
