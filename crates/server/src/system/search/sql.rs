//! Statements of search: each a range over an index, so that a prefix costs what it finds.

platform::statements! {
    pub(super) GROUPS: Tenant =
        "select id, name from groups
         where organization_id = $1 and name_key >= $2 and name_key < $3 order by name_key limit $4";
    pub(super) DOMAINS: Tenant =
        "select id, name, state from domains
         where organization_id = $1 and state <> 'removed' and resolved_at is null and name >= $2 and name < $3
         order by name, id limit $4";
    pub(super) ORGANIZATIONS_BY_SLUG: Platform =
        "select slug, name from organizations
         where slug >= $1 and slug < $2 and kind = 'customer' and state = 'active' order by slug limit $3";
    /// `lower` changes ASCII letters alone, as the search does; PostgreSQL needs its collation for that.
    pub(super) ORGANIZATIONS_BY_NAME: Platform =
        "select slug, name from organizations
         where lower(name) >= $1 and lower(name) < $2 and kind = 'customer' and state = 'active'
         order by lower(name) limit $3",
        postgres
        "select slug, name from organizations
         where lower(name collate \"C\") >= $1 and lower(name collate \"C\") < $2
           and kind = 'customer' and state = 'active'
         order by lower(name collate \"C\") limit $3";
}
