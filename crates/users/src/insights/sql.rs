//! Statements over figures of use. Those that count read what others own; those that write only write what was counted.

platform::statements! {
    /// The last account of the next so many memberships; none when fewer are left.
    pub(super) BOUNDARY: Tenant =
        "select account_id from memberships
         where organization_id = $1 and account_id > $2 order by account_id limit 1 offset $3";
    /// A part of the people with access ($2, $3]: seen since $4, $5, $6; sign-ins of [$7, $8) and since $8.
    pub(super) COUNT: Tenant =
        "select count(*),
           count(case when p.seen > $4 then 1 end),
           count(case when p.seen > $5 then 1 end),
           count(case when p.seen > $6 then 1 end),
           cast(coalesce(sum(p.sign_ins), 0) as bigint),
           cast(coalesce(sum(case when p.app = 1 or p.passkey = 1 then 1 else 0 end), 0) as bigint),
           cast(coalesce(sum(p.passkey), 0) as bigint),
           cast(coalesce(sum(case when p.linked = 1 or p.provisioned = 1 then 1 else 0 end), 0) as bigint),
           cast(coalesce(sum(p.managed), 0) as bigint),
           cast(coalesce(sum(p.outside), 0) as bigint),
           cast(coalesce(sum(p.earlier), 0) as bigint)
         from (
           select
             (select max(s.last_seen_at) from sessions s where s.account_id = m.account_id) as seen,
             (select count(*) from sessions s where s.account_id = m.account_id and s.created_at >= $8) as sign_ins,
             (select count(*) from sessions s
               where s.account_id = m.account_id and s.created_at >= $7 and s.created_at < $8) as earlier,
             case when exists (select 1 from totp_factors t
               where t.account_id = m.account_id and t.confirmed_at is not null) then 1 else 0 end as app,
             case when exists (select 1 from passkeys k where k.account_id = m.account_id) then 1 else 0 end as passkey,
             case when exists (select 1 from connection_links l
               join connections c on c.organization_id = l.organization_id and c.id = l.connection_id
                 and c.state = 'active' and c.social is null
               where l.organization_id = m.organization_id and l.account_id = m.account_id)
               then 1 else 0 end as linked,
             case when exists (select 1 from scim_users u
               join directories d on d.organization_id = u.organization_id and d.id = u.directory_id
                 and d.kind = 'linked'
               where u.organization_id = m.organization_id and u.account_id = m.account_id and u.active = 1)
               then 1 else 0 end as provisioned,
             case when a.managed_by = m.organization_id then 1 else 0 end as managed,
             case when exists (select 1 from domains n where n.organization_id = m.organization_id
               and n.name = a.email_domain and n.state in ('verified', 'at_risk')) then 0 else 1 end as outside
           from memberships m join accounts a on a.id = m.account_id and a.state = 'active'
           where m.organization_id = $1 and m.state = 'active' and m.account_id > $2 and m.account_id <= $3) p";
    /// Of the same part, who signed in to which product since $4, and since the later $5.
    pub(super) COUNT_PRODUCTS: Tenant =
        "select p.id, p.name, count(distinct case when g.created_at > $5 then g.account_id end),
           count(distinct g.account_id)
         from memberships m
         join accounts a on a.id = m.account_id and a.state = 'active'
         join oauth_grants g on g.account_id = m.account_id and g.created_at > $4
         join products p on p.id = g.product_id
         where m.organization_id = $1 and m.state = 'active' and m.account_id > $2 and m.account_id <= $3
         group by p.id, p.name";
    pub(super) INVITED: Tenant =
        "select count(*) from invitations where organization_id = $1 and state = 'pending' and expires_at > $2";

    pub(super) KNOWN: Tenant = "select 1 from insight_days where organization_id = $1 and day = $2";
    pub(super) PUT: Housekeeping =
        "insert into insight_days (organization_id, day, people, active_day, active_week, active_month, sign_ins,
           second_factor, passkey, single_sign_on, enforced, managed, outside, invited, counted_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict (organization_id, day) do update set people = excluded.people,
           active_day = excluded.active_day, active_week = excluded.active_week,
           active_month = excluded.active_month, sign_ins = excluded.sign_ins,
           second_factor = excluded.second_factor, passkey = excluded.passkey,
           single_sign_on = excluded.single_sign_on, enforced = excluded.enforced, managed = excluded.managed,
           outside = excluded.outside, invited = excluded.invited, counted_at = excluded.counted_at";
    /// The day before has ended: all of its sign-ins are known.
    pub(super) END_DAY: Housekeeping =
        "update insight_days set sign_ins = $3 where organization_id = $1 and day = $2";
    pub(super) CLEAR_PRODUCTS: Housekeeping =
        "delete from insight_products where organization_id = $1 and day = $2";
    pub(super) PUT_PRODUCT: Housekeeping =
        "insert into insight_products (organization_id, day, product_id, active_week, active_month)
         values ($1, $2, $3, $4, $5)
         on conflict (organization_id, day, product_id)
           do update set active_week = excluded.active_week, active_month = excluded.active_month";

    /// As `read_day` expects them.
    pub(super) DAYS: Tenant =
        "select day, counted_at, people, active_day, active_week, active_month, sign_ins, second_factor, passkey,
           single_sign_on, enforced, managed, outside, invited
         from insight_days where organization_id = $1 and day >= $2 order by day limit 1000";
    pub(super) LAST_DAY: Tenant =
        "select day, counted_at, people, active_day, active_week, active_month, sign_ins, second_factor, passkey,
           single_sign_on, enforced, managed, outside, invited
         from insight_days where organization_id = $1 order by day desc limit 1";
    pub(super) PRODUCT_DAYS: Tenant =
        "select i.day, p.id, p.name, i.active_week, i.active_month
         from insight_products i join products p on p.id = i.product_id
         where i.organization_id = $1 and i.day >= $2 order by i.day, p.name, p.id";

    // ---- over all organizations

    /// Whose figures are counted, page by page.
    pub(super) ORGANIZATIONS: Platform =
        "select id from organizations where state = 'active' and id > $1 order by id limit $2";
    pub(super) PUT_TOTAL: Housekeeping =
        "insert into insight_totals (day, organizations, people, active_day, active_week, active_month, sign_ins,
           second_factor, single_sign_on, counted_at)
         select cast($1 as bigint), count(*), cast(coalesce(sum(d.people), 0) as bigint),
           cast(coalesce(sum(d.active_day), 0) as bigint), cast(coalesce(sum(d.active_week), 0) as bigint),
           cast(coalesce(sum(d.active_month), 0) as bigint), cast(coalesce(sum(d.sign_ins), 0) as bigint),
           cast(coalesce(sum(d.second_factor), 0) as bigint), cast(coalesce(sum(d.single_sign_on), 0) as bigint),
           cast($2 as bigint)
         from insight_days d join organizations o on o.id = d.organization_id and o.kind = 'customer'
         where d.day = $1
         on conflict (day) do update set organizations = excluded.organizations, people = excluded.people,
           active_day = excluded.active_day, active_week = excluded.active_week,
           active_month = excluded.active_month, sign_ins = excluded.sign_ins,
           second_factor = excluded.second_factor, single_sign_on = excluded.single_sign_on,
           counted_at = excluded.counted_at";
    pub(super) END_TOTAL: Housekeeping =
        "update insight_totals set sign_ins = (
           select cast(coalesce(sum(d.sign_ins), 0) as bigint)
           from insight_days d join organizations o on o.id = d.organization_id and o.kind = 'customer'
           where d.day = $1)
         where day = $1";
    pub(super) FORGET_DAYS: Housekeeping = "delete from insight_days where day < $1";
    pub(super) FORGET_TOTALS: Housekeeping = "delete from insight_totals where day < $1";
    pub(super) TOTALS: Platform =
        "select day, counted_at, organizations, people, active_day, active_week, active_month, sign_ins,
           second_factor, single_sign_on
         from insight_totals where day >= $1 order by day limit 1000";
    pub(super) LAST_COUNT: Platform = "select counted_at from insight_totals order by day desc limit 1";
    /// The last day up to $1 on which everybody was counted, else the first one after.
    pub(super) DAY_BEFORE: Platform =
        "select day from insight_totals where day <= $1 order by day desc limit 1";
    pub(super) FIRST_DAY: Platform = "select day from insight_totals order by day limit 1";
    /// Customers by how much their people grew between the days $2 and $1; one founded meanwhile grew from nobody.
    pub(super) GREW: Platform =
        "select o.slug, o.name, n.people, coalesce(b.people, 0), n.active_month
         from insight_days n
         join organizations o on o.id = n.organization_id and o.kind = 'customer'
         left join insight_days b on b.organization_id = n.organization_id and b.day = $2
         where n.day = $1 and n.people > coalesce(b.people, 0) and (b.people is not null or o.created_at >= $2)
         order by n.people - coalesce(b.people, 0) desc, o.slug limit $3";
    pub(super) SHRANK: Platform =
        "select o.slug, o.name, n.people, b.people, n.active_month
         from insight_days n
         join organizations o on o.id = n.organization_id and o.kind = 'customer'
         join insight_days b on b.organization_id = n.organization_id and b.day = $2
         where n.day = $1 and n.people < b.people
         order by b.people - n.people desc, o.slug limit $3";
    /// Organizations that are older than $1: how many, whose figures are newer, and the oldest of those figures. Rows
    /// from before the day $2 are not looked at.
    pub(super) FRESH: Platform =
        "select count(*), count(case when f.newest > $1 then 1 end), min(f.newest)
         from (
           select (select max(d.counted_at) from insight_days d
             where d.organization_id = o.id and d.day >= $2) as newest
           from organizations o where o.state = 'active' and o.created_at <= $1) f";
}
