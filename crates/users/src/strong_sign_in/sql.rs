//! Statements over managed accounts and what they prove themselves with.

platform::statements! {
    /// Those whom no policy names, counted by what decides where they stand: outside the verified domains or not, the
    /// directory they come from, the rung their factors reach, and whether they came through a connection ($2; null:
    /// any of the organization's).
    pub(super) PLAIN: Tenant =
        "select p.outside, p.directory_id, p.reached, p.linked, count(*)
         from (select
             cast(case when exists (select 1 from domains d where d.organization_id = $1
               and d.name = a.email_domain and d.state in ('verified', 'at_risk')) then 0 else 1 end as bigint) as outside,
             coalesce(
               (select u.directory_id from scim_users u where u.organization_id = $1 and u.account_id = a.id),
               (select c.directory_id from connection_links l
                 join connections c on c.organization_id = l.organization_id and c.id = l.connection_id
                 where l.organization_id = $1 and l.account_id = a.id and c.directory_id is not null
                 order by l.linked_at, c.id limit 1)) as directory_id,
             cast(case
               when exists (select 1 from passkeys k where k.account_id = a.id and k.attested = 1) then 3
               when exists (select 1 from passkeys k where k.account_id = a.id) then 2
               when exists (select 1 from totp_factors t
                 where t.account_id = a.id and t.confirmed_at is not null) then 1
               else 0 end as bigint) as reached,
             cast(case when exists (select 1 from connection_links l
               join connections c on c.organization_id = l.organization_id and c.id = l.connection_id
                 and c.state = 'active' and c.social is null
               where l.organization_id = $1 and l.account_id = a.id and (c.id = $2 or $2 is null))
               then 1 else 0 end as bigint) as linked
           from memberships m join accounts a on a.id = m.account_id and a.managed_by = m.organization_id
           where m.organization_id = $1 and m.state = 'active' and a.state = 'active'
             and not exists (select 1 from policy_accounts x
               where x.organization_id = $1 and x.account_id = a.id)
             and not exists (select 1 from policy_groups x
               join group_members g on g.organization_id = x.organization_id and g.group_id = x.group_id
               where x.organization_id = $1 and g.account_id = a.id)) p
         group by p.outside, p.directory_id, p.reached, p.linked";
    /// Managed accounts by address; $4 = 1: only those whom a policy names, by group or by address.
    pub(super) PEOPLE: Tenant =
        "select a.id, m.email, m.name,
           cast(case when exists (select 1 from domains d where d.organization_id = $1
             and d.name = a.email_domain and d.state in ('verified', 'at_risk')) then 0 else 1 end as bigint),
           coalesce(
             (select u.directory_id from scim_users u where u.organization_id = $1 and u.account_id = a.id),
             (select c.directory_id from connection_links l
               join connections c on c.organization_id = l.organization_id and c.id = l.connection_id
               where l.organization_id = $1 and l.account_id = a.id and c.directory_id is not null
               order by l.linked_at, c.id limit 1)),
           cast(case
             when exists (select 1 from passkeys k where k.account_id = a.id and k.attested = 1) then 3
             when exists (select 1 from passkeys k where k.account_id = a.id) then 2
             when exists (select 1 from totp_factors t
               where t.account_id = a.id and t.confirmed_at is not null) then 1
             else 0 end as bigint)
         from memberships m join accounts a on a.id = m.account_id and a.managed_by = m.organization_id
         where m.organization_id = $1 and m.state = 'active' and a.state = 'active' and m.email > $2
           and (cast($4 as bigint) = 0
             or exists (select 1 from policy_accounts x
               where x.organization_id = $1 and x.account_id = a.id)
             or exists (select 1 from policy_groups x
               join group_members g on g.organization_id = x.organization_id and g.group_id = x.group_id
               where x.organization_id = $1 and g.account_id = a.id))
         order by m.email limit $3";
    /// The groups that policies and their stages may name, of members after $2 until $3.
    pub(super) GROUPS: Tenant =
        "select g.account_id, g.group_id from memberships m
         join group_members g on g.organization_id = m.organization_id and g.account_id = m.account_id
         where m.organization_id = $1 and m.email > $2 and m.email <= $3";
    /// The connections of the organization's own that members after $2 until $3 have come through.
    pub(super) LINKED: Tenant =
        "select l.account_id, l.connection_id from memberships m
         join connection_links l on l.organization_id = m.organization_id and l.account_id = m.account_id
         join connections c on c.organization_id = l.organization_id and c.id = l.connection_id
           and c.state = 'active' and c.social is null
         where m.organization_id = $1 and m.email > $2 and m.email <= $3";
}
