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
    pub(super) PURGE: Housekeeping =
        "delete from mail_outbox where state in ('sent', 'failed') and created_at < $1";
    pub(super) LIST: Platform =
        "select id, organization_id, recipient, attempts, last_error, created_at, sent_at
         from mail_outbox where state = $1 order by created_at desc limit $2";
    pub(super) OLDEST_WAITING: Platform =
        "select min(created_at) from mail_outbox where state = 'waiting'";
}
