//! Statements over organizations, accounts, memberships and groups.

crate::statements! {
    pub(super) INSERT_ORGANIZATION: Platform =
        "insert into organizations (id, slug, name, kind, state, created_at) values ($1, $2, $3, $4, $5, $6)
         on conflict do nothing";
    pub(super) ORGANIZATION: Platform =
        "select id, slug, name, kind, state, created_at from organizations where id = $1";
    pub(super) ORGANIZATION_FOR_UPDATE: Platform =
        "select id, slug, name, kind, state, created_at from organizations where id = $1",
        postgres "select id, slug, name, kind, state, created_at from organizations where id = $1 for update";
    pub(super) ORGANIZATION_BY_SLUG: Platform =
        "select id, slug, name, kind, state, created_at from organizations where slug = $1";
    pub(super) PROVIDER: Platform =
        "select id, slug, name, kind, state, created_at from organizations where kind = 'provider'";
    pub(super) ORGANIZATIONS: Platform =
        "select id, slug, name, kind, state, created_at from organizations where slug > $1 order by slug limit $2";
    pub(super) RENAME_ORGANIZATION: Platform = "update organizations set name = $2 where id = $1";

    pub(super) INSERT_ACCOUNT: Platform =
        "insert into accounts (id, email, email_domain, name, state, managed_by, managed_since, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing";
    pub(super) ACCOUNT: Platform =
        "select id, email, email_domain, name, state, managed_by, managed_since, created_at
         from accounts where id = $1";
    /// `no key update` leaves inserts that refer to the account free to go on.
    pub(super) ACCOUNT_FOR_UPDATE: Platform =
        "select id, email, email_domain, name, state, managed_by, managed_since, created_at
         from accounts where id = $1",
        postgres "select id, email, email_domain, name, state, managed_by, managed_since, created_at
         from accounts where id = $1 for no key update";
    pub(super) ACCOUNT_BY_EMAIL: Platform =
        "select id, email, email_domain, name, state, managed_by, managed_since, created_at
         from accounts where email = $1";
    pub(super) ACCOUNTS_AT_DOMAIN: Platform =
        "select id, email, email_domain, name, state, managed_by, managed_since, created_at
         from accounts where email_domain = $1 and id > $2 and state <> 'deleted' order by id limit $3";
    pub(super) SET_ACCOUNT_STATE: Platform = "update accounts set state = $2 where id = $1";
    pub(super) RENAME_ACCOUNT: Platform = "update accounts set name = $2 where id = $1";
    pub(super) RENAME_MEMBERSHIPS: Platform = "update memberships set name = $2 where account_id = $1";
    pub(super) MANAGE_ACCOUNT: Platform =
        "update accounts set managed_by = $1, managed_since = $3 where id = $2 and managed_by is null";
    pub(super) RELEASE_ACCOUNT: Platform =
        "update accounts set managed_by = null, managed_since = null where id = $2 and managed_by = $1";

    pub(super) RENAME_ADDRESSES: Platform = "update memberships set email = $2 where account_id = $1";
    pub(super) RETIRE_ACCOUNT: Platform =
        "update accounts set state = 'deleted', email = $2, email_domain = $3, managed_by = null, managed_since = null
         where id = $1 and state <> 'deleted'";

    pub(super) MOVE_ACCOUNT: Platform =
        "update accounts set email = $2, email_domain = $3 where id = $1 and state <> 'deleted'";

    pub(super) INSERT_MEMBERSHIP: Tenant =
        "insert into memberships (organization_id, account_id, role, state, source, email, name, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing";
    pub(super) MEMBERSHIP: Tenant =
        "select organization_id, account_id, role, state, source, email, name, created_at
         from memberships where organization_id = $1 and account_id = $2";
    pub(super) MEMBERS: Tenant =
        "select organization_id, account_id, role, state, source, email, name, created_at
         from memberships where organization_id = $1 and email >= $2 and email < $3 and email > $4
         order by email limit $5";
    pub(super) COUNT_MEMBERS: Tenant = "select count(*) from memberships where organization_id = $1";
    pub(super) COUNT_OWNERS: Tenant =
        "select count(*) from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.role = 'owner' and m.state = 'active' and a.state = 'active'";
    pub(super) MEMBERSHIPS_OF: Platform =
        "select organization_id, account_id, role, state, source, email, name, created_at
         from memberships where account_id = $1 order by organization_id";
    /// The provider's own organization first: it opens another console.
    pub(super) PLACES: Platform =
        "select o.name, o.slug, o.kind, m.role
         from memberships m join organizations o on o.id = m.organization_id and o.state = 'active'
         where m.account_id = $1 and m.state = 'active' order by o.kind desc, o.name, o.slug limit 20";
    pub(super) COUNT_MEMBERSHIPS_OF: Platform = "select count(*) from memberships where account_id = $1";
    pub(super) SET_ROLE: Tenant =
        "update memberships set role = $3 where organization_id = $1 and account_id = $2";
    pub(super) SET_MEMBERSHIP_STATE: Tenant =
        "update memberships set state = $3 where organization_id = $1 and account_id = $2";
    pub(super) DELETE_MEMBERSHIP: Tenant =
        "delete from memberships where organization_id = $1 and account_id = $2";

    pub(super) INSERT_GROUP: Tenant =
        "insert into groups (organization_id, id, name, name_key, description, created_at)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    pub(super) GROUPS: Tenant =
        "select g.id, g.name, g.description,
           (select count(*) from group_members m where m.organization_id = $1 and m.group_id = g.id), g.created_at
         from groups g where g.organization_id = $1 and g.name_key > $2 order by g.name_key limit $3";
    pub(super) GROUP: Tenant =
        "select g.id, g.name, g.description,
           (select count(*) from group_members m where m.organization_id = $1 and m.group_id = g.id), g.created_at
         from groups g where g.organization_id = $1 and g.id = $2";
    pub(super) GROUP_BY_NAME: Tenant =
        "select g.id, g.name, g.description,
           (select count(*) from group_members m where m.organization_id = $1 and m.group_id = g.id), g.created_at
         from groups g where g.organization_id = $1 and g.name_key = $2";
    pub(super) UPDATE_GROUP: Tenant =
        "update groups set name = $3, name_key = $4, description = $5 where organization_id = $1 and id = $2";
    pub(super) DELETE_GROUP: Tenant = "delete from groups where organization_id = $1 and id = $2";
    pub(super) INSERT_GROUP_MEMBER: Tenant =
        "insert into group_members (organization_id, group_id, account_id, added_at) values ($1, $2, $3, $4)
         on conflict do nothing";
    pub(super) DELETE_GROUP_MEMBER: Tenant =
        "delete from group_members where organization_id = $1 and group_id = $2 and account_id = $3";
    pub(super) GROUP_MEMBERS: Tenant =
        "select m.organization_id, m.account_id, m.role, m.state, m.source, m.email, m.name, m.created_at
         from group_members g
         join memberships m on m.organization_id = g.organization_id and m.account_id = g.account_id
         where g.organization_id = $1 and g.group_id = $2 and m.email > $3 order by m.email limit $4";
    pub(super) GROUPS_OF: Tenant =
        "select g.id, g.name, g.description,
           (select count(*) from group_members o where o.organization_id = $1 and o.group_id = g.id), g.created_at
         from group_members m join groups g on g.organization_id = m.organization_id and g.id = m.group_id
         where m.organization_id = $1 and m.account_id = $2 order by g.name_key";
}
