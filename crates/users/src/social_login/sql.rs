//! Statements over members who use social login. The links are of the provider's connections, so these look across.

platform::statements! {
    pub(super) COUNT: TenantAcross =
        "select count(*) from connection_links l
         join memberships m on m.account_id = l.account_id and m.organization_id = $1 and m.state = 'active'
         where l.connection_id = $2
           and l.organization_id = (select c.organization_id from connections c where c.id = $2)";
    pub(super) USERS: TenantAcross =
        "select m.account_id, m.email, m.name, c.social, l.used_at
         from connections c
         join organizations o on o.id = c.organization_id and o.kind = 'provider'
         join connection_links l on l.organization_id = c.organization_id and l.connection_id = c.id
         join memberships m on m.account_id = l.account_id and m.organization_id = $1 and m.state = 'active'
         where c.social is not null and c.state = 'active' and (m.email || ' ' || c.social) > $2
         order by m.email || ' ' || c.social limit $3";
}
