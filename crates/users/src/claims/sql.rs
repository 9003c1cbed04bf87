//! Statements over claims. Those that find whom a claim touches share one rule: an account at the domain that nobody
//! manages, or that was left behind by an earlier holder of the name (`old`); never one of the provider's staff, unless
//! the provider itself claims ($3 is the provider); deleted ones are gone.

platform::statements! {
    pub(super) LIST_TOUCHED: TenantAcross =
        "with touched as (
           select a.id as id, a.email as email, a.state as state, a.managed_by as managed_by,
             cast(case when m.account_id is null then 0 else 1 end as bigint) as member,
             cast(case when exists (
               select 1 from domains l where l.name = a.email_domain and l.state = 'lost' and l.resolved_at is null
                 and l.lost_at >= a.created_at) then 1 else 0 end as bigint) as old
           from accounts a
             left join memberships m on m.organization_id = $1 and m.account_id = a.id and m.state = 'active'
           where a.email_domain = $2 and a.state <> 'deleted' and a.id > $4
             and ($3 = $1 or not exists (
               select 1 from memberships p where p.organization_id = $3 and p.account_id = a.id)))
         select id, email, state, member, old from touched
         where managed_by is null or (old = 1 and managed_by <> $1) order by id limit $5";
    pub(super) COUNT_TOUCHED: TenantAcross =
        "with touched as (
           select a.state as state, a.managed_by as managed_by,
             cast(case when m.account_id is null then 0 else 1 end as bigint) as member,
             cast(case when exists (
               select 1 from domains l where l.name = a.email_domain and l.state = 'lost' and l.resolved_at is null
                 and l.lost_at >= a.created_at) then 1 else 0 end as bigint) as old
           from accounts a
             left join memberships m on m.organization_id = $1 and m.account_id = a.id and m.state = 'active'
           where a.email_domain = $2 and a.state <> 'deleted'
             and ($3 = $1 or not exists (
               select 1 from memberships p where p.organization_id = $3 and p.account_id = a.id)))
         select count(*),
           cast(coalesce(sum(member), 0) as bigint),
           cast(coalesce(sum(case when state = 'unverified' and (old = 0 or member = 1) then 1 else 0 end), 0) as bigint),
           cast(coalesce(sum(case when old = 1 and member = 0 then 1 else 0 end), 0) as bigint)
         from touched where managed_by is null or (old = 1 and managed_by <> $1)";
    pub(super) TOUCHED_BY_ID: TenantAcross =
        "with touched as (
           select a.id as id, a.email as email, a.state as state, a.managed_by as managed_by,
             cast(case when m.account_id is null then 0 else 1 end as bigint) as member,
             cast(case when exists (
               select 1 from domains l where l.name = a.email_domain and l.state = 'lost' and l.resolved_at is null
                 and l.lost_at >= a.created_at) then 1 else 0 end as bigint) as old
           from accounts a
             left join memberships m on m.organization_id = $1 and m.account_id = a.id and m.state = 'active'
           where a.id = $4 and a.email_domain = $2 and a.state <> 'deleted'
             and ($3 = $1 or not exists (
               select 1 from memberships p where p.organization_id = $3 and p.account_id = a.id)))
         select id, email, state, member, old from touched
         where managed_by is null or (old = 1 and managed_by <> $1)";
    pub(super) TOUCHED_BY_EMAIL: TenantAcross =
        "with touched as (
           select a.id as id, a.email as email, a.state as state, a.managed_by as managed_by,
             cast(case when m.account_id is null then 0 else 1 end as bigint) as member,
             cast(case when exists (
               select 1 from domains l where l.name = a.email_domain and l.state = 'lost' and l.resolved_at is null
                 and l.lost_at >= a.created_at) then 1 else 0 end as bigint) as old
           from accounts a
             left join memberships m on m.organization_id = $1 and m.account_id = a.id and m.state = 'active'
           where a.email = $4 and a.email_domain = $2 and a.state <> 'deleted'
             and ($3 = $1 or not exists (
               select 1 from memberships p where p.organization_id = $3 and p.account_id = a.id)))
         select id, email, state, member, old from touched
         where managed_by is null or (old = 1 and managed_by <> $1)";

    pub(super) INSERT: Tenant =
        "insert into claims (organization_id, id, domain_id, mode, state, undo_until, created_at)
         values ($1, $2, $3, $4, 'running', $5, $6)";
    /// Everybody that LIST_TOUCHED lists; each is looked at again when its turn comes.
    pub(super) CHOOSE_ALL: TenantAcross =
        "insert into claimed_accounts (organization_id, claim_id, account_id, state, made_membership)
         select c.organization_id, c.id, a.id, 'waiting', 0
         from claims c cross join accounts a
         where c.organization_id = $1 and c.id = $2 and a.email_domain = $3 and a.state <> 'deleted'
           and (a.managed_by is null or (a.managed_by <> $1 and exists (
             select 1 from domains l where l.name = a.email_domain and l.state = 'lost' and l.resolved_at is null
               and l.lost_at >= a.created_at)))
           and ($4 = $1 or not exists (
             select 1 from memberships p where p.organization_id = $4 and p.account_id = a.id))";
    /// As above, of accounts made since $5, but for those that a claim of this organization was taken back for.
    pub(super) CHOOSE_NEW: TenantAcross =
        "insert into claimed_accounts (organization_id, claim_id, account_id, state, made_membership)
         select c.organization_id, c.id, a.id, 'waiting', 0
         from claims c cross join accounts a
         where c.organization_id = $1 and c.id = $2 and a.email_domain = $3 and a.created_at >= $5
           and a.managed_by is null and a.state <> 'deleted'
           and ($4 = $1 or not exists (
             select 1 from memberships p where p.organization_id = $4 and p.account_id = a.id))
           and not exists (
             select 1 from claimed_accounts u
             where u.account_id = a.id and u.organization_id = $1 and u.state in ('undone', 'waiting'))";
    pub(super) CHOOSE: Tenant =
        "insert into claimed_accounts (organization_id, claim_id, account_id, state, made_membership)
         values ($1, $2, $3, 'waiting', 0) on conflict do nothing";
    pub(super) FIND: Tenant =
        "select c.id, c.domain_id, d.name, c.mode, c.state, c.undo_until, c.created_at, c.finished_at
         from claims c join domains d on d.organization_id = c.organization_id and d.id = c.domain_id
         where c.organization_id = $1 and c.id = $2";
    pub(super) LIST: Tenant =
        "select c.id, c.domain_id, d.name, c.mode, c.state, c.undo_until, c.created_at, c.finished_at
         from claims c join domains d on d.organization_id = c.organization_id and d.id = c.domain_id
         where c.organization_id = $1 and (c.domain_id = $2 or $2 is null) and c.id < $3
         order by c.id desc limit $4";
    pub(super) TALLY: Tenant =
        "select state, count(*) from claimed_accounts where organization_id = $1 and claim_id = $2 group by state";
    pub(super) IN_STATE: Tenant =
        "select account_id, made_membership from claimed_accounts
         where organization_id = $1 and claim_id = $2 and state = $3 order by account_id limit $4";
    pub(super) SET_ACCOUNT: Tenant =
        "update claimed_accounts set state = $4, made_membership = $5
         where organization_id = $1 and claim_id = $2 and account_id = $3";
    pub(super) SKIP_WAITING: Tenant =
        "update claimed_accounts set state = 'skipped'
         where organization_id = $1 and claim_id = $2 and state = 'waiting'";
    pub(super) SET_STATE: Tenant =
        "update claims set state = $4, finished_at = coalesce($5, finished_at)
         where organization_id = $1 and id = $2 and state = $3";

    /// Accounts that this organization manages at a domain.
    pub(super) MANAGED: Platform =
        "select id from accounts where managed_by = $1 and email_domain = $2 order by email limit $3";
    pub(super) COUNT_MANAGED: Platform =
        "select count(*) from accounts where managed_by = $1 and email_domain = $2";
}
