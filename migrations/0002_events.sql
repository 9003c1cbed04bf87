-- Every event of the installation; (organization_id, sequence) is its place in the organization's ledger, revision its
-- place in the change feed.
CREATE TABLE events (
  revision INTEGER PRIMARY KEY,
  transaction_id INTEGER NOT NULL DEFAULT 0,
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  sequence INTEGER NOT NULL,
  at INTEGER NOT NULL,
  action TEXT NOT NULL,
  actor_kind TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  public TEXT NOT NULL,
  personal TEXT NOT NULL,
  leaf BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_ledger ON events (organization_id, sequence);

CREATE TABLE ledger_heads (
  organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
  size INTEGER NOT NULL,
  frontier BLOB NOT NULL
) STRICT;

-- Interior nodes of the RFC 6962 tree at levels 8, 16, 24 …; the rest is computed from leaves.
CREATE TABLE ledger_nodes (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  level INTEGER NOT NULL,
  position INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (organization_id, level, position)
) STRICT, WITHOUT ROWID;

-- How far each consumer of the change feed has come.
CREATE TABLE feed_cursors (
  name TEXT NOT NULL PRIMARY KEY,
  transaction_id INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT;
