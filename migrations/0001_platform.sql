-- Principals: names, states and memberships of everything that can act or hold a grant.
CREATE TABLE organizations (
  id BLOB NOT NULL PRIMARY KEY,
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('provider', 'customer')),
  state TEXT NOT NULL CHECK (state IN ('active', 'closed')),
  created_at INTEGER NOT NULL
) STRICT;
-- One installation has one provider.
CREATE UNIQUE INDEX organizations_one_provider ON organizations (kind) WHERE kind = 'provider';

CREATE TABLE accounts (
  id BLOB NOT NULL PRIMARY KEY,
  email TEXT NOT NULL UNIQUE, -- canonical: lower case, A-labels
  email_domain TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('unverified', 'active', 'suspended', 'deleted')),
  managed_by BLOB REFERENCES organizations (id), -- the organization that claimed it
  managed_since INTEGER,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX accounts_email_domain ON accounts (email_domain, id);
CREATE INDEX accounts_managed_by ON accounts (managed_by, email);

CREATE TABLE memberships (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  account_id BLOB NOT NULL REFERENCES accounts (id),
  role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'auditor', 'member')),
  state TEXT NOT NULL CHECK (state IN ('active', 'suspended')),
  source TEXT NOT NULL CHECK (source IN ('founder', 'invitation', 'claim', 'import', 'operator')),
  email TEXT NOT NULL, -- copy of accounts.email, so that lists sort and search by an index of their own
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, account_id)
) STRICT;
CREATE INDEX memberships_account ON memberships (account_id, organization_id);
CREATE INDEX memberships_email ON memberships (organization_id, email);
CREATE INDEX memberships_role ON memberships (organization_id, role);

CREATE TABLE groups (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL, -- lower case, for uniqueness
  description TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, name_key)
) STRICT;

CREATE TABLE group_members (
  organization_id BLOB NOT NULL,
  group_id BLOB NOT NULL,
  account_id BLOB NOT NULL,
  added_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, group_id, account_id),
  FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, account_id) REFERENCES memberships (organization_id, account_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX group_members_account ON group_members (organization_id, account_id);

-- Background work, enqueued in the transaction that needs it.
CREATE TABLE jobs (
  id BLOB NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  unique_key TEXT UNIQUE, -- a second job with the same key is not enqueued while one waits
  organization_id BLOB REFERENCES organizations (id),
  payload TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'failed')),
  run_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  leased_until INTEGER,
  last_error TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_due ON jobs (state, run_at);
CREATE INDEX jobs_organization ON jobs (organization_id);

CREATE TABLE schedules (
  name TEXT NOT NULL PRIMARY KEY,
  next_at INTEGER NOT NULL,
  started_at INTEGER,
  succeeded_at INTEGER,
  last_error TEXT
) STRICT;

-- Secrets at rest: data keys wrapped by the master key.
CREATE TABLE secret_keys (
  id INTEGER NOT NULL PRIMARY KEY,
  wrapped BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- Facts of the installation: its id, the ledger's sealed signing key, when it was set up.
CREATE TABLE installation (
  name TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
) STRICT;

CREATE TABLE mail_outbox (
  id BLOB NOT NULL PRIMARY KEY,
  organization_id BLOB REFERENCES organizations (id),
  recipient TEXT NOT NULL,
  sealed BLOB NOT NULL, -- subject and body; they carry single-use links
  state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),
  attempts INTEGER NOT NULL,
  last_error TEXT,
  created_at INTEGER NOT NULL,
  sent_at INTEGER
) STRICT;
CREATE INDEX mail_outbox_organization ON mail_outbox (organization_id);
CREATE INDEX mail_outbox_state ON mail_outbox (state, created_at);

-- Answers to requests that carried an Idempotency-Key, kept for a day.
CREATE TABLE idempotency_keys (
  principal TEXT NOT NULL,
  key TEXT NOT NULL,
  request_hash BLOB NOT NULL,
  status INTEGER, -- null while the first request runs
  content_type TEXT,
  body BLOB,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (principal, key)
) STRICT;
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
