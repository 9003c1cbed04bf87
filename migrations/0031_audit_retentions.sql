-- For how long an organization's audit log says whom an event was about. No row: for good.
CREATE TABLE audit_retentions (
  organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
  days INTEGER NOT NULL,
  decided_by TEXT NOT NULL,
  decided_at INTEGER NOT NULL,
  next_sequence INTEGER NOT NULL, -- every event before it has been looked at
  due_at INTEGER NOT NULL -- when the next look is due
) STRICT;
CREATE INDEX audit_retentions_due ON audit_retentions (due_at);
