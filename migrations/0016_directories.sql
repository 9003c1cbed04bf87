-- Directories of organizations, what an identity provider keeps in them over SCIM, and how it proves itself.
CREATE TABLE directories (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL, -- lower case, for uniqueness
  kind TEXT NOT NULL CHECK (kind IN ('local', 'linked')), -- where its people prove themselves
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, name_key)
) STRICT;

CREATE TABLE scim_tokens (
  organization_id BLOB NOT NULL,
  id BLOB NOT NULL,
  directory_id BLOB NOT NULL,
  token_hash BLOB NOT NULL UNIQUE,
  created_by BLOB REFERENCES accounts (id), -- null: the operator
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  last_used_at INTEGER,
  revoked_at INTEGER,
  alerted_days INTEGER, -- the last alert said that so many days were left
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, directory_id) REFERENCES directories (organization_id, id)
) STRICT;
CREATE INDEX scim_tokens_directory ON scim_tokens (organization_id, directory_id, id);
CREATE INDEX scim_tokens_created_by ON scim_tokens (created_by);
CREATE INDEX scim_tokens_expires ON scim_tokens (expires_at);

-- People as an identity provider describes them. Which account of ours each is stands beside, and may be nobody's.
CREATE TABLE scim_users (
  organization_id BLOB NOT NULL,
  directory_id BLOB NOT NULL,
  id BLOB NOT NULL,
  account_id BLOB REFERENCES accounts (id),
  user_name TEXT NOT NULL,
  user_name_key TEXT NOT NULL, -- lower case
  external_id TEXT, -- the client's word, never an id of ours
  email TEXT, -- canonical: what the person would sign in with
  email_domain TEXT,
  active INTEGER NOT NULL,
  conflict TEXT, -- why it has no account, or not the address that it asks for
  resource TEXT NOT NULL, -- JSON: the attributes as sent, checked against the schema
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, directory_id, id),
  UNIQUE (organization_id, directory_id, user_name_key),
  FOREIGN KEY (organization_id, directory_id) REFERENCES directories (organization_id, id)
) STRICT;
-- One person is provisioned once in an organization.
CREATE UNIQUE INDEX scim_users_account ON scim_users (account_id, organization_id);
CREATE INDEX scim_users_external_id ON scim_users (organization_id, directory_id, external_id);
CREATE INDEX scim_users_conflict ON scim_users (organization_id, directory_id, id) WHERE conflict IS NOT NULL;

CREATE TABLE scim_groups (
  organization_id BLOB NOT NULL,
  directory_id BLOB NOT NULL,
  id BLOB NOT NULL,
  group_id BLOB, -- the organization's group that it fills; null while another group has its name
  display_name TEXT NOT NULL,
  display_name_key TEXT NOT NULL, -- lower case
  external_id TEXT,
  conflict TEXT,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, directory_id, id),
  UNIQUE (organization_id, directory_id, display_name_key),
  FOREIGN KEY (organization_id, directory_id) REFERENCES directories (organization_id, id),
  FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX scim_groups_group ON scim_groups (organization_id, group_id);
CREATE INDEX scim_groups_external_id ON scim_groups (organization_id, directory_id, external_id);
CREATE INDEX scim_groups_conflict ON scim_groups (organization_id, directory_id, id) WHERE conflict IS NOT NULL;

CREATE TABLE scim_group_members (
  organization_id BLOB NOT NULL,
  directory_id BLOB NOT NULL,
  scim_group_id BLOB NOT NULL,
  scim_user_id BLOB NOT NULL,
  PRIMARY KEY (organization_id, directory_id, scim_group_id, scim_user_id),
  FOREIGN KEY (organization_id, directory_id, scim_group_id)
    REFERENCES scim_groups (organization_id, directory_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, directory_id, scim_user_id)
    REFERENCES scim_users (organization_id, directory_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX scim_group_members_user ON scim_group_members (organization_id, directory_id, scim_user_id);

-- Whom a directory took away: nothing but the directory, or an admin, brings them back.
CREATE TABLE scim_departures (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  account_id BLOB NOT NULL REFERENCES accounts (id),
  departed_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, account_id)
) STRICT;
CREATE INDEX scim_departures_account ON scim_departures (account_id);

-- What was asked over SCIM, without names, addresses and values; kept for 30 days.
CREATE TABLE scim_requests (
  organization_id BLOB NOT NULL,
  directory_id BLOB NOT NULL,
  id BLOB NOT NULL,
  at INTEGER NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  shape TEXT NOT NULL,
  status INTEGER NOT NULL,
  detail TEXT NOT NULL,
  micros INTEGER NOT NULL,
  PRIMARY KEY (organization_id, directory_id, id),
  FOREIGN KEY (organization_id, directory_id) REFERENCES directories (organization_id, id)
) STRICT;
CREATE INDEX scim_requests_at ON scim_requests (at);
