//! Statements over offers. Selects of whole offers list the columns that `read_offer` expects.

platform::statements! {
    pub(super) INSERT: Tenant =
        "insert into access_offers
           (organization_id, id, kind, group_id, access_id, role, approvers, approvals, days_max, hours_to_decide,
            created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing";
    pub(super) UPDATE: Tenant =
        "update access_offers set approvers = $3, approvals = $4, days_max = $5, hours_to_decide = $6
         where organization_id = $1 and id = $2";
    pub(super) DELETE: Tenant = "delete from access_offers where organization_id = $1 and id = $2";
    pub(super) COUNT: Tenant = "select count(*) from access_offers where organization_id = $1";
    pub(super) FIND: Tenant =
        "select o.id, o.group_id, o.access_id, o.role, g.name, p.name, a.role, p.state, o.approvers, h.name,
           o.approvals, o.days_max, o.hours_to_decide, o.created_at
         from access_offers o
         left join groups g on g.organization_id = o.organization_id and g.id = o.group_id
         left join product_access a on a.organization_id = o.organization_id and a.id = o.access_id
         left join products p on p.id = a.product_id
         left join groups h on h.organization_id = o.organization_id and h.id = o.approvers
         where o.organization_id = $1 and o.id = $2";
    pub(super) LIST: Tenant =
        "select o.id, o.group_id, o.access_id, o.role, g.name, p.name, a.role, p.state, o.approvers, h.name,
           o.approvals, o.days_max, o.hours_to_decide, o.created_at
         from access_offers o
         left join groups g on g.organization_id = o.organization_id and g.id = o.group_id
         left join product_access a on a.organization_id = o.organization_id and a.id = o.access_id
         left join products p on p.id = a.product_id
         left join groups h on h.organization_id = o.organization_id and h.id = o.approvers
         where o.organization_id = $1 and o.id > $2 order by o.id limit $3";
    /// Those who manage people, without one.
    pub(super) MANAGERS: Tenant =
        "select a.email from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.account_id <> $2 and m.role in ('owner', 'admin') and m.state = 'active'
           and a.state = 'active'
         order by m.email limit 50";
    pub(super) COUNT_DECIDING: Tenant =
        "select count(*) from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.account_id <> $2 and m.state = 'active' and a.state = 'active'
           and (m.role in ('owner', 'admin') or exists (
             select 1 from group_members g
             where g.organization_id = m.organization_id and g.group_id = $3 and g.account_id = m.account_id))";
}
