//! Statements over the records of a directory. Selects of whole records list the columns that `read_person` and
//! `read_group` expect.

platform::statements! {
    // ---- people

    pub(super) USER: Tenant =
        "select id, account_id, user_name, external_id, email, active, conflict, resource, version, created_at,
           changed_at
         from scim_users where organization_id = $1 and directory_id = $2 and id = $3";
    pub(super) USER_BY_NAME: Tenant =
        "select id, account_id, user_name, external_id, email, active, conflict, resource, version, created_at,
           changed_at
         from scim_users where organization_id = $1 and directory_id = $2 and user_name_key = $3";
    pub(super) USERS_BY_EXTERNAL_ID: Tenant =
        "select id, account_id, user_name, external_id, email, active, conflict, resource, version, created_at,
           changed_at
         from scim_users where organization_id = $1 and directory_id = $2 and external_id = $3 order by id";
    pub(super) USERS_AFTER: Tenant =
        "select id, account_id, user_name, external_id, email, active, conflict, resource, version, created_at,
           changed_at
         from scim_users where organization_id = $1 and directory_id = $2 and id > $3 order by id limit $4";
    pub(super) USERS_PAGE: Tenant =
        "select id, account_id, user_name, external_id, email, active, conflict, resource, version, created_at,
           changed_at
         from scim_users where organization_id = $1 and directory_id = $2 order by id limit $3 offset $4";
    pub(super) USERS_BY_NAME_PAGE: Tenant =
        "select id, account_id, user_name, external_id, email, active, conflict, resource, version, created_at,
           changed_at
         from scim_users where organization_id = $1 and directory_id = $2
         order by user_name_key limit $3 offset $4";
    pub(super) USERS_BY_NAME_DESCENDING_PAGE: Tenant =
        "select id, account_id, user_name, external_id, email, active, conflict, resource, version, created_at,
           changed_at
         from scim_users where organization_id = $1 and directory_id = $2
         order by user_name_key desc limit $3 offset $4";
    pub(super) USERS_IN_GROUP: Tenant =
        "select u.id, u.account_id, u.user_name, u.external_id, u.email, u.active, u.conflict, u.resource, u.version,
           u.created_at, u.changed_at
         from scim_group_members m
         join scim_users u
           on u.organization_id = m.organization_id and u.directory_id = m.directory_id and u.id = m.scim_user_id
         where m.organization_id = $1 and m.directory_id = $2 and m.scim_group_id = $3 order by u.id";
    pub(super) COUNT_USERS: Tenant =
        "select count(*) from scim_users where organization_id = $1 and directory_id = $2";
    pub(super) INSERT_USER: Tenant =
        "insert into scim_users (organization_id, directory_id, id, account_id, user_name, user_name_key, external_id,
           email, email_domain, active, conflict, resource, version, created_at, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $13) on conflict do nothing";
    pub(super) UPDATE_USER: Tenant =
        "update scim_users set account_id = $4, user_name = $5, user_name_key = $6, external_id = $7, email = $8,
           email_domain = $9, active = $10, conflict = $11, resource = $12, version = version + 1, changed_at = $13
         where organization_id = $1 and directory_id = $2 and id = $3";
    pub(super) SET_LINK: Tenant =
        "update scim_users set account_id = $4, conflict = $5
         where organization_id = $1 and directory_id = $2 and id = $3";
    pub(super) DELETE_USER: Tenant =
        "delete from scim_users where organization_id = $1 and directory_id = $2 and id = $3";
    /// Whether some record of the organization is this account already.
    pub(super) USER_OF_ACCOUNT: Tenant =
        "select id from scim_users where organization_id = $1 and account_id = $2";
    pub(super) HELD_AT_DOMAIN: Tenant =
        "select id from scim_users
         where organization_id = $1 and directory_id = $2 and conflict is not null and email_domain = $3
           and conflict = 'unverified_domain' and id > $4
         order by id limit $5";
    pub(super) COUNT_OUT: Tenant =
        "select (select count(*) from scim_departures where organization_id = $1 and account_id = $2)
           + (select count(*) from scim_users where organization_id = $1 and account_id = $2 and active = 0)";
    pub(super) DEPART: Tenant =
        "insert into scim_departures (organization_id, account_id, departed_at) values ($1, $2, $3)
         on conflict do nothing";
    pub(super) RETURN: Tenant = "delete from scim_departures where organization_id = $1 and account_id = $2";
    pub(super) REVOKE_TOKENS: Tenant =
        "update api_tokens set revoked_at = $3
         where organization_id = $1 and created_by = $2 and revoked_at is null and expires_at > $3";

    // ---- groups

    pub(super) GROUP: Tenant =
        "select id, group_id, display_name, external_id, conflict, version, created_at, changed_at
         from scim_groups where organization_id = $1 and directory_id = $2 and id = $3";
    pub(super) GROUP_BY_NAME: Tenant =
        "select id, group_id, display_name, external_id, conflict, version, created_at, changed_at
         from scim_groups where organization_id = $1 and directory_id = $2 and display_name_key = $3";
    pub(super) GROUPS_BY_EXTERNAL_ID: Tenant =
        "select id, group_id, display_name, external_id, conflict, version, created_at, changed_at
         from scim_groups where organization_id = $1 and directory_id = $2 and external_id = $3 order by id";
    pub(super) GROUPS_AFTER: Tenant =
        "select id, group_id, display_name, external_id, conflict, version, created_at, changed_at
         from scim_groups where organization_id = $1 and directory_id = $2 and id > $3 order by id limit $4";
    pub(super) GROUPS_PAGE: Tenant =
        "select id, group_id, display_name, external_id, conflict, version, created_at, changed_at
         from scim_groups where organization_id = $1 and directory_id = $2 order by id limit $3 offset $4";
    pub(super) GROUPS_BY_NAME_PAGE: Tenant =
        "select id, group_id, display_name, external_id, conflict, version, created_at, changed_at
         from scim_groups where organization_id = $1 and directory_id = $2
         order by display_name_key limit $3 offset $4";
    pub(super) GROUPS_BY_NAME_DESCENDING_PAGE: Tenant =
        "select id, group_id, display_name, external_id, conflict, version, created_at, changed_at
         from scim_groups where organization_id = $1 and directory_id = $2
         order by display_name_key desc limit $3 offset $4";
    /// A cross join, since SQLite keeps its order: otherwise it looks through all groups of the directory for each person.
    pub(super) GROUPS_OF_USER: Tenant =
        "select g.id, g.group_id, g.display_name, g.external_id, g.conflict, g.version, g.created_at, g.changed_at
         from scim_group_members m
         cross join scim_groups g
         where m.organization_id = $1 and m.directory_id = $2 and m.scim_user_id = $3
           and g.organization_id = m.organization_id and g.directory_id = m.directory_id and g.id = m.scim_group_id
         order by m.scim_group_id";
    pub(super) COUNT_GROUPS: Tenant =
        "select count(*) from scim_groups where organization_id = $1 and directory_id = $2";
    pub(super) INSERT_GROUP: Tenant =
        "insert into scim_groups (organization_id, directory_id, id, group_id, display_name, display_name_key,
           external_id, conflict, version, created_at, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9) on conflict do nothing";
    pub(super) UPDATE_GROUP: Tenant =
        "update scim_groups set group_id = $4, display_name = $5, display_name_key = $6, external_id = $7,
           conflict = $8, version = version + 1, changed_at = $9
         where organization_id = $1 and directory_id = $2 and id = $3";
    pub(super) DELETE_GROUP: Tenant =
        "delete from scim_groups where organization_id = $1 and directory_id = $2 and id = $3";
    pub(super) FILLS_GROUP: Tenant =
        "select directory_id from scim_groups where organization_id = $1 and group_id = $2";

    // ---- who is in which group

    pub(super) MEMBER_IDS: Tenant =
        "select scim_user_id from scim_group_members
         where organization_id = $1 and directory_id = $2 and scim_group_id = $3 order by scim_user_id";
    /// Whether a group is too large to show whole after every change.
    pub(super) MEMBER_BEYOND: Tenant =
        "select scim_user_id from scim_group_members
         where organization_id = $1 and directory_id = $2 and scim_group_id = $3
         order by scim_user_id limit 1 offset $4";
    /// Gives nothing for a record that is not of this directory.
    pub(super) LINK_OF: Tenant =
        "select id, account_id from scim_users where organization_id = $1 and directory_id = $2 and id = $3";
    pub(super) INSERT_MEMBER: Tenant =
        "insert into scim_group_members (organization_id, directory_id, scim_group_id, scim_user_id)
         values ($1, $2, $3, $4) on conflict do nothing";
    pub(super) DELETE_MEMBER: Tenant =
        "delete from scim_group_members
         where organization_id = $1 and directory_id = $2 and scim_group_id = $3 and scim_user_id = $4";
    pub(super) LINKED_MEMBERS: Tenant =
        "select u.account_id
         from scim_group_members m
         join scim_users u
           on u.organization_id = m.organization_id and u.directory_id = m.directory_id and u.id = m.scim_user_id
         where m.organization_id = $1 and m.directory_id = $2 and m.scim_group_id = $3 and u.account_id is not null";
    /// Whose account the organization's group holds.
    pub(super) GROUP_ACCOUNTS: Tenant =
        "select account_id from group_members where organization_id = $1 and group_id = $2";

    // ---- conflicts

    pub(super) USER_CONFLICTS: Tenant =
        "select id, account_id, user_name, external_id, email, active, conflict, resource, version, created_at,
           changed_at
         from scim_users
         where organization_id = $1 and directory_id = $2 and conflict is not null and id > $3 order by id limit $4";
    pub(super) GROUP_CONFLICTS: Tenant =
        "select id, group_id, display_name, external_id, conflict, version, created_at, changed_at
         from scim_groups
         where organization_id = $1 and directory_id = $2 and conflict is not null and id > $3 order by id limit $4";
    pub(super) COUNT_CONFLICTS: Tenant =
        "select (select count(*) from scim_users
                 where organization_id = $1 and directory_id = $2 and conflict is not null)
           + (select count(*) from scim_groups
              where organization_id = $1 and directory_id = $2 and conflict is not null)";

    // ---- the request log

    pub(super) INSERT_REQUEST: Housekeeping =
        "insert into scim_requests (organization_id, directory_id, id, at, method, path, shape, status, detail, micros)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing";
    pub(super) REQUESTS: Tenant =
        "select id, at, method, path, shape, status, detail, micros from scim_requests
         where organization_id = $1 and directory_id = $2 and id < $3 order by id desc limit $4";
    pub(super) FORGET_REQUESTS: Housekeeping = "delete from scim_requests where at < $1";
    pub(super) NTH_REQUEST: Tenant =
        "select id from scim_requests where organization_id = $1 and directory_id = $2
         order by id desc limit 1 offset $3";
    pub(super) FORGET_REQUESTS_BELOW: Housekeeping =
        "delete from scim_requests where organization_id = $1 and directory_id = $2 and id < $3";
    pub(super) DIRECTORIES: Platform =
        "select organization_id, id from directories where (organization_id, id) > ($1, $2)
         order by organization_id, id limit $3";
}
