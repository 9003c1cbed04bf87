//! Statements over products. Selects of whole products list the columns that `read_product` expects.

platform::statements! {
    pub(super) INSERT: Platform =
        "insert into products
           (id, name, authentication, jwks, redirect_uris, logout_uris, backchannel_logout_uri, grant_types, scopes,
            audiences, resource, everyone, asks_consent, requires_dpop, requires_par, id_token_algorithm, state, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    pub(super) UPDATE: Platform =
        "update products set name = $2, authentication = $3, jwks = $4, redirect_uris = $5, logout_uris = $6,
           backchannel_logout_uri = $7, grant_types = $8, scopes = $9, audiences = $10, resource = $11, everyone = $12,
           asks_consent = $13, requires_dpop = $14, requires_par = $15, id_token_algorithm = $16
         where id = $1";
    pub(super) GET: Platform =
        "select id, name, authentication, jwks, redirect_uris, logout_uris, backchannel_logout_uri, grant_types, scopes,
           audiences, resource, everyone, asks_consent, requires_dpop, requires_par, id_token_algorithm, state, created_at
         from products where id = $1";
    pub(super) LIST: Platform =
        "select id, name, authentication, jwks, redirect_uris, logout_uris, backchannel_logout_uri, grant_types, scopes,
           audiences, resource, everyone, asks_consent, requires_dpop, requires_par, id_token_algorithm, state, created_at
         from products where id < $1 order by id desc limit $2";
    pub(super) SET_STATE: Platform = "update products set state = $2 where id = $1";

    pub(super) INSERT_SECRET: Platform =
        "insert into product_secrets (product_id, id, secret_hash, created_at) values ($1, $2, $3, $4)";
    pub(super) SECRETS: Platform =
        "select id, created_at, expires_at from product_secrets
         where product_id = $1 and (expires_at is null or expires_at > $2) order by id desc";
    pub(super) SECRET_HASHES: Platform =
        "select secret_hash, expires_at from product_secrets where product_id = $1";
    pub(super) EXPIRE_SECRETS: Platform =
        "update product_secrets set expires_at = $2
         where product_id = $1 and (expires_at is null or expires_at > $2)";
    pub(super) DROP_EXPIRED_SECRETS: Platform =
        "delete from product_secrets where product_id = $1 and expires_at <= $2";

    pub(super) INSERT_RULE: Tenant =
        "insert into product_access (organization_id, id, product_id, group_id, role, created_at)
         values ($1, $2, $3, $4, $5, $6)";
    pub(super) DELETE_RULE: Tenant = "delete from product_access where organization_id = $1 and id = $2";
    pub(super) RULES: Platform =
        "select r.id, r.organization_id, o.slug, r.group_id, g.name, r.role
         from product_access r join organizations o on o.id = r.organization_id
         left join groups g on g.organization_id = r.organization_id and g.id = r.group_id
         where r.product_id = $1 order by o.slug, r.id";
    /// The rules of a product that somebody fits, across organizations.
    pub(super) MATCHING_RULES: Platform =
        "select r.organization_id, r.role
         from product_access r
         join organizations o on o.id = r.organization_id and o.state = 'active'
         join memberships m on m.organization_id = r.organization_id and m.account_id = $2 and m.state = 'active'
         where r.product_id = $1 and (r.group_id is null or exists (
           select 1 from group_members g
           where g.organization_id = r.organization_id and g.group_id = r.group_id and g.account_id = $2)
           or exists (
           select 1 from product_members p
           where p.organization_id = r.organization_id and p.access_id = r.id and p.account_id = $2))
         order by r.id";
}
