//! Statements of the outbox. All housekeeping: a mail is the consequence of an event, not a change of its own.

crate::statements! {
    pub(super) INSERT: Housekeeping =
        "insert into mail_outbox (id, organization_id, recipient, sealed, state, attempts, created_at)
         values ($1, $2, $3, $4, 'waiting', 0, $5)";
    pub(super) FIND: Platform =
        "select recipient, sealed, created_at from mail_outbox where id = $1 and state = 'waiting'";
    /// The body goes with the delivery: its links are of no use to us any more.
    pub(super) SENT: Housekeeping =
        "update mail_outbox set state = 'sent', sealed = $2, attempts = attempts + 1, last_error = null, sent_at = $3
         where id = $1 and state = 'waiting'";
    pub(super) TRIED: Housekeeping =
        "update mail_outbox set state = $2, attempts = attempts + 1, last_error = $3
         where id = $1 and state = 'waiting'";
    /// Back from failed, by a person's hand; its event is recorded by whoever asks.
    pub(super) REVIVE: Housekeeping =
        "update mail_outbox set state = 'waiting' where id = $1 and state = 'failed'";
    pub(super) GIVE_UP: Housekeeping =
        "update mail_outbox set state = 'failed', last_error = coalesce(last_error, $2)
         where id = $1 and state = 'waiting'";
    /// Jobs that wait or failed over this mail; a new one takes their place.
    pub(super) DROP_JOBS: Housekeeping =
        "delete from jobs where kind = 'mail.send' and payload = $1 and state in ('waiting', 'failed')";
    pub(super) SENDING: Platform =
        "select count(*) from jobs where kind = 'mail.send' and payload = $1 and state = 'running'";
    pub(super) ENTRY: Platform =
        "select m.id, o.slug, m.recipient, m.state, m.attempts, m.last_error, m.created_at, m.sent_at
         from mail_outbox m left join organizations o on o.id = m.organization_id where m.id = $1";
    pub(super) COUNTS: Platform = "select state, count(*) from mail_outbox group by state";
    /// `substr` counts bytes of a blob on both databases: the version and the id of the key.
    pub(super) CENSUS: Platform =
        "select substr(sealed, 1, 5), count(*) from mail_outbox where length(sealed) > 0 group by substr(sealed, 1, 5)";
    pub(super) SEALED_BEFORE: Platform =
        "select id, recipient, sealed from mail_outbox
         where length(sealed) > 0 and sealed < $1 and id > $2 order by id limit $3";
    pub(super) RESEALED: Housekeeping = "update mail_outbox set sealed = $3 where id = $1 and sealed = $2";
    pub(super) PURGE: Housekeeping =
        "delete from mail_outbox where state in ('sent', 'failed') and created_at < $1";
    pub(super) LIST: Platform =
        "select m.id, o.slug, m.recipient, m.state, m.attempts, m.last_error, m.created_at, m.sent_at
         from mail_outbox m left join organizations o on o.id = m.organization_id
         where m.state = $1 order by m.created_at desc, m.id desc limit $2";
    pub(super) OLDEST_WAITING: Platform =
        "select min(created_at) from mail_outbox where state = 'waiting'";
}
