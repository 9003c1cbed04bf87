//! Statements over connections to identity providers, who is who there, and sign-ins on their way. Selects of whole
//! connections list the columns that `read_connection` expects.

platform::statements! {
    pub(super) INSERT: Tenant =
        "insert into connections (organization_id, id, kind, name, name_key, social, directory_id, state, settings,
           mapping, secret, created_at, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) on conflict do nothing";
    pub(super) UPDATE: Tenant =
        "update connections set name = $3, name_key = $4, settings = $5, mapping = $6, secret = $7, changed_at = $8
         where organization_id = $1 and id = $2";
    pub(super) NAME_TAKEN: Tenant =
        "select 1 from connections where organization_id = $1 and name_key = $2 and id <> $3";
    pub(super) SET_STATE: Tenant =
        "update connections set state = $3, changed_at = $4 where organization_id = $1 and id = $2";
    pub(super) COUNT: Tenant = "select count(*) from connections where organization_id = $1";
    pub(super) LIST: Tenant =
        "select organization_id, id, kind, name, social, directory_id, state, settings, mapping, secret, created_at,
           changed_at, succeeded_at, failed_at, failure
         from connections where organization_id = $1 order by name_key";
    pub(super) GET: Tenant =
        "select organization_id, id, kind, name, social, directory_id, state, settings, mapping, secret, created_at,
           changed_at, succeeded_at, failed_at, failure
         from connections where organization_id = $1 and id = $2";
    /// Across organizations: the id alone stands in the address that a provider answers to.
    pub(super) BY_ID: Platform =
        "select c.organization_id, c.id, c.kind, c.name, c.social, c.directory_id, c.state, c.settings, c.mapping,
           c.secret, c.created_at, c.changed_at, c.succeeded_at, c.failed_at, c.failure
         from connections c join organizations o on o.id = c.organization_id and o.state = 'active'
         where c.id = $1";
    /// Providers for everybody, which the sign-in page shows.
    pub(super) SOCIAL: Platform =
        "select c.organization_id, c.id, c.kind, c.name, c.social, c.directory_id, c.state, c.settings, c.mapping,
           c.secret, c.created_at, c.changed_at, c.succeeded_at, c.failed_at, c.failure
         from connections c join organizations o on o.id = c.organization_id and o.kind = 'provider'
         where c.social is not null and c.state = 'active' order by c.name_key limit 20";
    pub(super) SUCCEEDED: Housekeeping =
        "update connections set succeeded_at = $3 where organization_id = $1 and id = $2";
    pub(super) FAILED: Housekeeping =
        "update connections set failed_at = $3, failure = $4 where organization_id = $1 and id = $2";

    pub(super) INSERT_LINK: Tenant =
        "insert into connection_links (organization_id, connection_id, issuer, subject, account_id, linked_at, used_at)
         values ($1, $2, $3, $4, $5, $6, $6) on conflict do nothing";
    pub(super) LINK: Tenant =
        "select account_id from connection_links
         where organization_id = $1 and connection_id = $2 and issuer = $3 and subject = $4";
    pub(super) LINK_OF_ACCOUNT: Tenant =
        "select issuer, subject from connection_links
         where organization_id = $1 and connection_id = $2 and account_id = $3";
    pub(super) USED: Housekeeping =
        "update connection_links set used_at = $4
         where organization_id = $1 and connection_id = $2 and account_id = $3";
    pub(super) LINKS: Tenant =
        "select l.account_id, a.email, a.name, l.subject, l.linked_at, l.used_at
         from connection_links l join accounts a on a.id = l.account_id
         where l.organization_id = $1 and l.connection_id = $2 and a.email > $3 order by a.email limit $4";
    pub(super) COUNT_LINKS: Tenant =
        "select count(*) from connection_links where organization_id = $1 and connection_id = $2";
    pub(super) UNLINK: Tenant =
        "delete from connection_links where organization_id = $1 and connection_id = $2 and account_id = $3";
    /// Somebody's links, of every organization.
    pub(super) LINKS_OF: Platform =
        "select c.id, c.name, c.social, o.name, c.state, l.linked_at, l.used_at, c.organization_id
         from connection_links l
         join connections c on c.organization_id = l.organization_id and c.id = l.connection_id
         join organizations o on o.id = c.organization_id
         where l.account_id = $1 order by c.name_key, c.id";
    /// The connections that somebody of an organization's members is linked through, by address.
    pub(super) MEMBERS_LINKED: Tenant =
        "select m.account_id, l.connection_id
         from memberships m
         join connection_links l on l.organization_id = m.organization_id and l.account_id = m.account_id
         join connections c on c.organization_id = l.organization_id and c.id = l.connection_id and c.state = 'active'
         where m.organization_id = $1 and m.email > $2 and m.email <= $3";
    /// Whether somebody has come through one of the organization's connections; $3 null: any of them.
    pub(super) HAS_COME: Tenant =
        "select l.used_at from connection_links l
         join connections c on c.organization_id = l.organization_id and c.id = l.connection_id and c.state = 'active'
         where l.organization_id = $1 and l.account_id = $2 and c.social is null and (c.id = $3 or $3 is null)
         order by l.used_at desc limit 1";
    /// Connections that people can sign in through, and whether somebody has.
    pub(super) WORKING: Tenant =
        "select id from connections
         where organization_id = $1 and state = 'active' and social is null and succeeded_at is not null
           and (id = $2 or $2 is null) limit 1";

    /// For the daily look at metadata and certificates.
    pub(super) ACTIVE_SAML: Platform =
        "select c.organization_id, c.id, c.kind, c.name, c.social, c.directory_id, c.state, c.settings, c.mapping,
           c.secret, c.created_at, c.changed_at, c.succeeded_at, c.failed_at, c.failure
         from connections c join organizations o on o.id = c.organization_id and o.state = 'active'
         where c.kind = 'saml' and c.state = 'active' order by c.id";
    /// The active connections of whoever holds a domain: where an address at it signs in.
    pub(super) OF_DOMAIN: Platform =
        "select c.organization_id, c.id, c.kind, c.name, c.social, c.directory_id, c.state, c.settings, c.mapping,
           c.secret, c.created_at, c.changed_at, c.succeeded_at, c.failed_at, c.failure
         from domains d
         join connections c on c.organization_id = d.organization_id
         join organizations o on o.id = c.organization_id and o.state = 'active'
         where d.name = $1 and d.state in ('verified', 'at_risk') and c.state = 'active' and c.social is null
         order by c.name_key limit 50";

    pub(super) INSERT_REQUEST: Housekeeping =
        "insert into connection_requests (state_hash, connection_id, browser_hash, intent, account_id, fresh, next,
           created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    pub(super) REQUEST: Platform =
        "select connection_id, browser_hash, intent, account_id, fresh, next, created_at from connection_requests
         where state_hash = $1 and used_at is null and expires_at > $2";
    pub(super) USE_REQUEST: Housekeeping =
        "update connection_requests set used_at = $2 where state_hash = $1 and used_at is null and expires_at > $2";
    pub(super) CLEAN_REQUESTS: Housekeeping = "delete from connection_requests where expires_at < $1";
    pub(super) INSERT_MESSAGE: Housekeeping =
        "insert into connection_messages (message_hash, expires_at) values ($1, $2) on conflict do nothing";
    pub(super) INSERT_ANSWER: Housekeeping =
        "insert into connection_answers (state_hash, connection_id, identity, expires_at)
         values ($1, $2, $3, $4) on conflict do nothing";
    pub(super) ANSWER: Platform =
        "select identity from connection_answers where state_hash = $1 and connection_id = $2 and expires_at > $3";
    pub(super) DELETE_ANSWER: Housekeeping = "delete from connection_answers where state_hash = $1";
    pub(super) CLEAN_ANSWERS: Housekeeping = "delete from connection_answers where expires_at < $1";
    pub(super) CLEAN_MESSAGES: Housekeeping = "delete from connection_messages where expires_at < $1";

    /// Live sessions that were made through a connection; narrowed to a subject or to a session there where given.
    pub(super) SESSIONS: Platform =
        "select id, account_id from sessions
         where connection_id = $1 and revoked_at is null and expires_at > $2
           and (upstream_subject = $3 or $3 is null) and (upstream_session = $4 or $4 is null) limit 10000";
    pub(super) COUNT_SESSIONS: Platform =
        "select count(*) from sessions
         where connection_id = $1 and revoked_at is null and idle_expires_at > $2 and expires_at > $2";
    /// Which of a connection's people have neither a password nor a passkey nor another active connection.
    pub(super) STRANDED: Tenant =
        "select a.email from connection_links l join accounts a on a.id = l.account_id
         where l.organization_id = $1 and l.connection_id = $2 and a.state = 'active'
           and not exists (select 1 from passwords p where p.account_id = l.account_id)
           and not exists (select 1 from passkeys k where k.account_id = l.account_id)
           and not exists (select 1 from connection_links x
             join connections c on c.organization_id = x.organization_id and c.id = x.connection_id
               and c.state = 'active'
             where x.organization_id = $1 and x.account_id = l.account_id and x.connection_id <> $2)
         order by a.email limit $3";

    /// For the rotation of keys (`platform::secrets::rotation`).
    pub(super) CENSUS: Platform =
        "select substr(secret, 1, 5), count(*) from connections where secret is not null group by substr(secret, 1, 5)";
    pub(super) SEALED_BEFORE: Platform =
        "select id, secret from connections where secret < $1 and id > $2 order by id limit $3";
    pub(super) RESEALED: Housekeeping = "update connections set secret = $3 where id = $1 and secret = $2";
}
