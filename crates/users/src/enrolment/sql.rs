//! Statements over the factors of managed accounts.

platform::statements! {
    pub(super) STANDING: Tenant =
        "select count(*),
           count(case when exists (select 1 from totp_factors t where t.account_id = a.id and t.confirmed_at is not null)
             or exists (select 1 from passkeys p where p.account_id = a.id) then 1 end)
         from memberships m join accounts a on a.id = m.account_id and a.managed_by = m.organization_id
         where m.organization_id = $1 and m.state = 'active' and a.state = 'active'";
    pub(super) MISSING: Tenant =
        "select a.id, a.email, a.name from memberships m
         join accounts a on a.id = m.account_id and a.managed_by = m.organization_id
         where m.organization_id = $1 and m.state = 'active' and a.state = 'active' and a.email > $2
           and not exists (select 1 from totp_factors t where t.account_id = a.id and t.confirmed_at is not null)
           and not exists (select 1 from passkeys p where p.account_id = a.id)
         order by a.email limit $3";
}
