-- Which head of each organization's ledger stands in the provider's ledger.
CREATE TABLE ledger_anchors (
  organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
  size INTEGER NOT NULL,
  anchored_at INTEGER NOT NULL
) STRICT;
