-- Invitations: only the hash of the mailed token is kept; at most one waits per address.
CREATE TABLE invitations (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  email TEXT NOT NULL, -- canonical
  role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'auditor', 'member')),
  token_hash BLOB NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('pending', 'accepted', 'revoked', 'expired')),
  invited_by BLOB REFERENCES accounts (id), -- null: the operator, or an API token
  created_at INTEGER NOT NULL,
  sent_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  decided_at INTEGER,
  PRIMARY KEY (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX invitations_one_pending ON invitations (organization_id, email) WHERE state = 'pending';
CREATE INDEX invitations_state ON invitations (organization_id, state, created_at);
CREATE INDEX invitations_sent ON invitations (organization_id, sent_at);
CREATE INDEX invitations_invited_by ON invitations (invited_by);

-- Groups that an invited person joins with the organization.
CREATE TABLE invitation_groups (
  organization_id BLOB NOT NULL,
  invitation_id BLOB NOT NULL,
  group_id BLOB NOT NULL,
  PRIMARY KEY (organization_id, invitation_id, group_id),
  FOREIGN KEY (organization_id, invitation_id) REFERENCES invitations (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX invitation_groups_group ON invitation_groups (organization_id, group_id);

CREATE TABLE api_tokens (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  name TEXT NOT NULL,
  token_hash BLOB NOT NULL UNIQUE,
  scopes TEXT NOT NULL, -- permissions, separated by spaces
  created_by BLOB REFERENCES accounts (id), -- null: the operator
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  last_used_at INTEGER,
  revoked_at INTEGER,
  PRIMARY KEY (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX api_tokens_by_id ON api_tokens (id);
CREATE INDEX api_tokens_created_by ON api_tokens (created_by);

-- The history shown on the page of a person, group or domain.
CREATE INDEX events_target ON events (organization_id, target_kind, target_id, sequence);
