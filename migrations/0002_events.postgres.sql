-- As 0002_events.sql; differs in how revision and transaction_id are made: together they order the feed by commit.
CREATE TABLE events (
  revision BIGINT GENERATED ALWAYS AS IDENTITY,
  transaction_id BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
  organization_id BYTEA NOT NULL REFERENCES organizations (id),
  sequence BIGINT NOT NULL,
  at BIGINT NOT NULL,
  action TEXT NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  public TEXT NOT NULL,
  personal TEXT NOT NULL,
  leaf BYTEA NOT NULL,
  PRIMARY KEY (organization_id, sequence)
);
CREATE INDEX events_feed ON events (transaction_id, revision);

CREATE TABLE ledger_heads (
  organization_id BYTEA NOT NULL PRIMARY KEY REFERENCES organizations (id),
  size BIGINT NOT NULL,
  frontier BYTEA NOT NULL
);

CREATE TABLE ledger_nodes (
  organization_id BYTEA NOT NULL REFERENCES organizations (id),
  level BIGINT NOT NULL,
  position BIGINT NOT NULL,
  hash BYTEA NOT NULL,
  PRIMARY KEY (organization_id, level, position)
);

CREATE TABLE feed_cursors (
  name TEXT NOT NULL PRIMARY KEY,
  transaction_id BIGINT NOT NULL,
  revision BIGINT NOT NULL
);
