//! Statements over breach contacts.

platform::statements! {
    pub(super) LIST: Tenant =
        "select organization_id, id, name, email, phone, role, is_primary, asked_at, confirmed_at, created_at
         from breach_contacts where organization_id = $1 order by is_primary desc, email_key";
    pub(super) FIND: Tenant =
        "select organization_id, id, name, email, phone, role, is_primary, asked_at, confirmed_at, created_at
         from breach_contacts where organization_id = $1 and id = $2";
    pub(super) COUNT: Tenant = "select count(*) from breach_contacts where organization_id = $1";
    pub(super) TAKEN: Tenant =
        "select count(*) from breach_contacts where organization_id = $1 and email_key = $2 and id <> $3";
    pub(super) INSERT: Tenant =
        "insert into breach_contacts (organization_id, id, name, email, email_key, phone, role, is_primary,
           asked_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
    pub(super) UPDATE: Tenant =
        "update breach_contacts set name = $3, email = $4, email_key = $5, phone = $6, role = $7, is_primary = $8
         where organization_id = $1 and id = $2";
    /// Another person or address: what was confirmed before says nothing about it.
    pub(super) FORGET_CONFIRMATION: Tenant =
        "update breach_contacts set confirmed_at = null where organization_id = $1 and id = $2";
    pub(super) CLEAR_PRIMARY: Tenant =
        "update breach_contacts set is_primary = 0 where organization_id = $1 and is_primary = 1 and id <> $2";
    pub(super) DELETE: Tenant = "delete from breach_contacts where organization_id = $1 and id = $2";

    pub(super) ASK: Tenant =
        "update breach_contacts set token_hash = $3, token_expires_at = $4, asked_at = $5
         where organization_id = $1 and id = $2";
    pub(super) BY_TOKEN: Platform =
        "select organization_id, id, name, email, phone, role, is_primary, asked_at, confirmed_at, created_at
         from breach_contacts where token_hash = $1 and token_expires_at > $2";
    pub(super) CONFIRM: Tenant =
        "update breach_contacts set confirmed_at = $3, token_hash = null, token_expires_at = null
         where organization_id = $1 and token_hash = $2 and token_expires_at > $3";
    pub(super) ASKED_SINCE: Tenant =
        "select count(*) from events where organization_id = $1 and target_kind = 'breach_contact'
           and action = 'breach_contact.asked' and at > $2";
    /// Confirmations that end soon or ended lately, and were not asked for again in a while.
    pub(super) DUE: Platform =
        "select c.organization_id, c.id from breach_contacts c join organizations o on o.id = c.organization_id
         where c.confirmed_at <= $1 and c.confirmed_at > $2 and c.asked_at <= $3 and o.state = 'active'
         order by c.confirmed_at limit $4";
}
