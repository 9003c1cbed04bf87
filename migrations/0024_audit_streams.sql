-- Where an organization's audit log is sent on to, and how far each stream has come.
CREATE TABLE audit_streams (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL, -- the name in lower case
  kind TEXT NOT NULL, -- webhook, syslog
  target TEXT NOT NULL, -- a URL, or host:port
  authorities TEXT, -- PEM: who may vouch for a syslog receiver
  format TEXT NOT NULL,
  state TEXT NOT NULL, -- active, paused by somebody, halted after failing for long
  secret BLOB, -- sealed: what webhooks are signed with, and what they were signed with before
  overlap_until INTEGER, -- until then the secret before signs, too
  next_sequence INTEGER NOT NULL, -- the first event that was not acknowledged yet
  acknowledged_at INTEGER,
  failures INTEGER NOT NULL, -- since the last acknowledgement
  failing_since INTEGER,
  failure TEXT NOT NULL,
  next_try_at INTEGER NOT NULL,
  busy_until INTEGER, -- a node sends for it until then
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX audit_streams_name ON audit_streams (organization_id, name_key);
CREATE INDEX audit_streams_due ON audit_streams (state, next_try_at);
CREATE UNIQUE INDEX audit_streams_id ON audit_streams (id);
