-- Single sign-on: connections to identity providers, who is who there, and sign-ins on their way.
CREATE TABLE connections (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL UNIQUE, -- stands in the addresses that a provider answers to
  kind TEXT NOT NULL CHECK (kind IN ('oidc', 'saml')),
  name TEXT NOT NULL,
  name_key TEXT NOT NULL, -- lower case, for uniqueness
  social TEXT, -- a provider for everybody, by the name that policies give it; null: for the organization's own people
  directory_id BLOB, -- whose people prove themselves there; null: a social one
  state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
  settings TEXT NOT NULL, -- JSON of its kind, see users::single_sign_on::settings
  mapping TEXT NOT NULL, -- JSON
  secret BLOB, -- sealed
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  succeeded_at INTEGER, -- the last sign-in through it
  failed_at INTEGER,
  failure TEXT NOT NULL DEFAULT '', -- why the last one failed
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, name_key),
  FOREIGN KEY (organization_id, directory_id) REFERENCES directories (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX connections_social ON connections (social) WHERE social IS NOT NULL;
CREATE UNIQUE INDEX connections_directory ON connections (organization_id, directory_id);

-- Who somebody of a provider is here. The provider's name for them is the issuer and the subject, never an address.
CREATE TABLE connection_links (
  organization_id BLOB NOT NULL,
  connection_id BLOB NOT NULL,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  account_id BLOB NOT NULL REFERENCES accounts (id),
  linked_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, connection_id, issuer, subject),
  UNIQUE (organization_id, connection_id, account_id),
  FOREIGN KEY (organization_id, connection_id) REFERENCES connections (organization_id, id)
) STRICT;
CREATE INDEX connection_links_account ON connection_links (account_id, organization_id);

-- Sign-ins that are at a provider: the state that comes back with its answer, once, to the same browser.
CREATE TABLE connection_requests (
  state_hash BLOB NOT NULL PRIMARY KEY,
  connection_id BLOB NOT NULL REFERENCES connections (id),
  browser_hash BLOB NOT NULL,
  intent TEXT NOT NULL CHECK (intent IN ('sign_in', 'connect', 'test')),
  account_id BLOB REFERENCES accounts (id), -- who connects, or tests
  fresh INTEGER NOT NULL, -- 1: the provider was told to ask the person anew
  next TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT;
CREATE INDEX connection_requests_connection ON connection_requests (connection_id);
CREATE INDEX connection_requests_account ON connection_requests (account_id);
CREATE INDEX connection_requests_expires ON connection_requests (expires_at);

-- Messages of providers that work once (logout tokens), by their hash, until they have expired.
CREATE TABLE connection_messages (
  message_hash BLOB NOT NULL PRIMARY KEY,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX connection_messages_expires ON connection_messages (expires_at);

-- How a session was made: null, here; else through a connection, for whom of the provider, in which session there.
ALTER TABLE sessions ADD COLUMN connection_id BLOB REFERENCES connections (id);
ALTER TABLE sessions ADD COLUMN upstream_subject TEXT;
ALTER TABLE sessions ADD COLUMN upstream_session TEXT;
CREATE INDEX sessions_connection ON sessions (connection_id, upstream_subject);
ALTER TABLE pending_sign_ins ADD COLUMN connection_id BLOB REFERENCES connections (id);
ALTER TABLE pending_sign_ins ADD COLUMN upstream_subject TEXT;
ALTER TABLE pending_sign_ins ADD COLUMN upstream_session TEXT;
CREATE INDEX pending_sign_ins_connection ON pending_sign_ins (connection_id);
