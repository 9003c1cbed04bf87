//! Statements over members of products.

platform::statements! {
    pub(super) RULES: Tenant =
        "select r.id, p.name, r.role, r.group_id, p.state
         from product_access r join products p on p.id = r.product_id
         where r.organization_id = $1 order by p.name, r.id";
    pub(super) COUNT: Tenant =
        "select count(*) from product_members where organization_id = $1 and access_id = $2 and account_id = $3";
    pub(super) INSERT: Tenant =
        "insert into product_members (organization_id, access_id, account_id, added_at) values ($1, $2, $3, $4)
         on conflict do nothing";
    pub(super) DELETE: Tenant =
        "delete from product_members where organization_id = $1 and access_id = $2 and account_id = $3";
}
