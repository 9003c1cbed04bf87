-- Cells of the matrix as last evaluated. Derived: everything here can be computed again from evidence. Only cells whose
-- control is built stand here; a provider's cell that is the same for everybody stands once, under the provider.
CREATE TABLE cells (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  duty TEXT NOT NULL, -- the row's id, e.g. USR-C1
  side TEXT NOT NULL CHECK (side IN ('provider', 'customer')),
  state TEXT NOT NULL,
  must_act TEXT NOT NULL CHECK (must_act IN ('nobody', 'provider', 'customer', 'both')),
  since INTEGER NOT NULL,
  evaluated_at INTEGER NOT NULL,
  due_at INTEGER, -- evaluate again then
  cell TEXT NOT NULL, -- everything about it, JSON
  PRIMARY KEY (organization_id, duty, side)
) STRICT;
CREATE INDEX cells_due ON cells (due_at);
CREATE INDEX cells_duty ON cells (duty, side, organization_id, state, must_act);

-- What was so (valid) and what was known of it (known); nothing is ever changed but the open end of `known`.
CREATE TABLE cell_versions (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  duty TEXT NOT NULL,
  side TEXT NOT NULL CHECK (side IN ('provider', 'customer')),
  known_from INTEGER NOT NULL,
  valid_from INTEGER NOT NULL,
  known_to INTEGER,
  valid_to INTEGER,
  state TEXT NOT NULL,
  cell TEXT NOT NULL,
  cause TEXT, -- the event that led here, JSON; null when it was time, or the first look
  PRIMARY KEY (organization_id, duty, side, known_from, valid_from)
) STRICT;
CREATE INDEX cell_versions_recent ON cell_versions (organization_id, valid_from);

-- How many cells of an organization wait for whom: the provider's overview sorts by it.
CREATE TABLE matrix_standings (
  organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
  owes INTEGER NOT NULL, -- cells that wait for the organization
  waits INTEGER NOT NULL, -- cells of the organization that wait for the provider
  held INTEGER NOT NULL,
  oldest_since INTEGER -- since when the oldest of what it owes waits
) STRICT;
CREATE INDEX matrix_standings_owes ON matrix_standings (owes, organization_id);

-- One row, locked by whoever evaluates: evaluations of one cell never overlap.
CREATE TABLE matrix_engine (
  name TEXT NOT NULL PRIMARY KEY,
  fingerprint TEXT NOT NULL -- of the cells that were built at the last full run
) STRICT;
INSERT INTO matrix_engine (name, fingerprint) VALUES ('engine', '');

-- The last run of each row's drill; all runs stand in the provider's ledger.
CREATE TABLE drill_results (
  duty TEXT NOT NULL PRIMARY KEY,
  drill TEXT NOT NULL,
  ran_at INTEGER NOT NULL,
  passed INTEGER NOT NULL,
  detail TEXT NOT NULL
) STRICT;

-- A named person's word: an attestation of a duty, or the acceptance of a risk.
CREATE TABLE declarations (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  duty TEXT NOT NULL,
  side TEXT NOT NULL CHECK (side IN ('provider', 'customer')),
  kind TEXT NOT NULL CHECK (kind IN ('attestation', 'acceptance')),
  account_id BLOB NOT NULL REFERENCES accounts (id),
  person TEXT NOT NULL,
  reason TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  valid_until INTEGER NOT NULL,
  revoked_at INTEGER,
  PRIMARY KEY (organization_id, id)
) STRICT;
-- At most one of a kind is in force for a cell.
CREATE UNIQUE INDEX declarations_standing ON declarations (organization_id, duty, side, kind) WHERE revoked_at IS NULL;
CREATE INDEX declarations_account ON declarations (account_id);
