-- Authentication policies: every version that was decided; the newest is in force. No row: nobody has decided.
CREATE TABLE authentication_policies (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  version INTEGER NOT NULL,
  rules TEXT NOT NULL, -- JSON, see users::policies::Rules
  decided_by TEXT NOT NULL, -- the name of who decided, as shown
  decided_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, version)
) STRICT;
