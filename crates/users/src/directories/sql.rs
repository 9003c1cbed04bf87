//! Statements over directories and their tokens.

platform::statements! {
    pub(super) INSERT: Tenant =
        "insert into directories (organization_id, id, name, name_key, kind, created_at)
         values ($1, $2, $3, $4, $6, $5) on conflict do nothing";
    pub(super) LINK: Tenant = "update directories set kind = 'linked' where organization_id = $1 and id = $2";
    pub(super) COUNT: Tenant = "select count(*) from directories where organization_id = $1";
    pub(super) LIST: Tenant =
        "select id, name, kind, created_at from directories where organization_id = $1 order by name_key";
    pub(super) GET: Tenant =
        "select id, name, kind, created_at from directories where organization_id = $1 and id = $2";
    pub(super) OF_ACCOUNT: Tenant =
        "select coalesce(
           (select u.directory_id from scim_users u where u.organization_id = $1 and u.account_id = $2),
           (select c.directory_id from connection_links l
             join connections c on c.organization_id = l.organization_id and c.id = l.connection_id
             where l.organization_id = $1 and l.account_id = $2 and c.directory_id is not null
             order by l.linked_at, c.id limit 1)) as directory_id";
    pub(super) OF_MEMBERS: Tenant =
        "select m.account_id, coalesce(
           (select u.directory_id from scim_users u where u.organization_id = $1 and u.account_id = m.account_id),
           (select c.directory_id from connection_links l
             join connections c on c.organization_id = l.organization_id and c.id = l.connection_id
             where l.organization_id = $1 and l.account_id = m.account_id and c.directory_id is not null
             order by l.linked_at, c.id limit 1)) as directory_id
         from memberships m where m.organization_id = $1 and m.email > $2 and m.email <= $3";

    pub(super) INSERT_TOKEN: Tenant =
        "insert into scim_tokens (organization_id, id, directory_id, token_hash, created_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)";
    pub(super) TOKENS: Tenant =
        "select id, directory_id, created_by, created_at, expires_at, last_used_at, revoked_at
         from scim_tokens where organization_id = $1 and directory_id = $2 order by id desc limit 50";
    pub(super) COUNT_LIVE: Tenant =
        "select count(*) from scim_tokens
         where organization_id = $1 and directory_id = $2 and revoked_at is null and expires_at > $3";
    pub(super) SHORTEN: Tenant =
        "update scim_tokens set expires_at = $3
         where organization_id = $1 and directory_id = $2 and revoked_at is null and expires_at > $3";
    pub(super) REVOKE: Tenant =
        "update scim_tokens set revoked_at = $4
         where organization_id = $1 and directory_id = $2 and id = $3 and revoked_at is null and expires_at > $4";
    /// Across organizations: the token alone says which directory it opens.
    pub(super) BY_HASH: Platform =
        "select t.id, t.organization_id, t.directory_id, t.last_used_at
         from scim_tokens t join organizations o on o.id = t.organization_id and o.state = 'active'
         where t.token_hash = $1 and t.revoked_at is null and t.expires_at > $2";
    pub(super) TOUCH: Housekeeping =
        "update scim_tokens set last_used_at = $3 where organization_id = $1 and id = $2";

    /// Live tokens that end before $2, with the end of the directory's longest-lived token.
    pub(super) ENDING: Platform =
        "select t.organization_id, t.id, t.directory_id, t.expires_at, t.alerted_days, d.name, o.slug, o.name,
           (select max(n.expires_at) from scim_tokens n
            where n.organization_id = t.organization_id and n.directory_id = t.directory_id and n.revoked_at is null)
         from scim_tokens t
         join directories d on d.organization_id = t.organization_id and d.id = t.directory_id
         join organizations o on o.id = t.organization_id and o.state = 'active'
         where t.expires_at > $1 and t.expires_at <= $2 and t.revoked_at is null
         order by t.expires_at, t.id limit 1000";
    pub(super) SET_ALERTED: Tenant =
        "update scim_tokens set alerted_days = $3 where organization_id = $1 and id = $2";
}
