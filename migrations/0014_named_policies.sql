-- Authentication policies by name. What was decided before becomes the default policy, whose id is its organization's.
CREATE TABLE policies (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL, -- lower case, for uniqueness
  applies_to TEXT NOT NULL CHECK (applies_to IN ('default', 'outside', 'directory', 'named')),
  directory_id BLOB, -- of the default of a linked directory
  version INTEGER NOT NULL,
  rules TEXT NOT NULL, -- JSON, see users::policies::Rules
  narrows INTEGER NOT NULL, -- 1: a request can fail on it (networks, API tokens); the guard looks at no other
  decided_by TEXT NOT NULL, -- the name of who decided, as shown
  decided_at INTEGER NOT NULL,
  deleted INTEGER NOT NULL, -- 1: gone; its versions stay, so that this can be undone
  PRIMARY KEY (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX policies_name ON policies (organization_id, name_key) WHERE deleted = 0;
CREATE UNIQUE INDEX policies_one_outside ON policies (organization_id) WHERE applies_to = 'outside';
CREATE UNIQUE INDEX policies_directory ON policies (organization_id, directory_id) WHERE applies_to = 'directory';

-- Everything that was ever decided, with the assignments.
CREATE TABLE policy_versions (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  policy_id BLOB NOT NULL,
  version INTEGER NOT NULL,
  content TEXT NOT NULL, -- JSON, see users::policies::Content
  decided_by TEXT NOT NULL,
  decided_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, policy_id, version)
) STRICT;

CREATE TABLE policy_groups (
  organization_id BLOB NOT NULL,
  policy_id BLOB NOT NULL,
  group_id BLOB NOT NULL,
  PRIMARY KEY (organization_id, policy_id, group_id),
  FOREIGN KEY (organization_id, policy_id) REFERENCES policies (organization_id, id),
  FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX policy_groups_group ON policy_groups (organization_id, group_id);

CREATE TABLE policy_accounts (
  organization_id BLOB NOT NULL,
  policy_id BLOB NOT NULL,
  account_id BLOB NOT NULL,
  PRIMARY KEY (organization_id, policy_id, account_id),
  FOREIGN KEY (organization_id, policy_id) REFERENCES policies (organization_id, id),
  FOREIGN KEY (organization_id, account_id) REFERENCES memberships (organization_id, account_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX policy_accounts_account ON policy_accounts (organization_id, account_id);

-- A decided change that comes into force in stages.
CREATE TABLE policy_rollouts (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  policy_id BLOB NOT NULL,
  base_version INTEGER NOT NULL, -- the version it was decided on
  rules TEXT NOT NULL,
  stages TEXT NOT NULL, -- JSON, see users::policies::rollout::Stage
  percent INTEGER NOT NULL, -- reached so far: this share of the people,
  reached_groups TEXT NOT NULL, -- and these groups
  reached INTEGER NOT NULL, -- stages that have begun
  noticed_to TEXT NOT NULL, -- members up to this address were told by mail
  next_at INTEGER,
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
  planned_by TEXT NOT NULL,
  planned_at INTEGER NOT NULL,
  ended_at INTEGER,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, policy_id) REFERENCES policies (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX policy_rollouts_one ON policy_rollouts (organization_id, policy_id) WHERE state = 'running';
CREATE INDEX policy_rollouts_policy ON policy_rollouts (organization_id, policy_id);

INSERT INTO policies (organization_id, id, name, name_key, applies_to, version, rules, narrows, decided_by, decided_at, deleted)
  SELECT a.organization_id, a.organization_id, 'Default', 'default', 'default', a.version, a.rules, 0, a.decided_by, a.decided_at, 0
  FROM authentication_policies a
  WHERE a.version = (SELECT max(b.version) FROM authentication_policies b WHERE b.organization_id = a.organization_id);
INSERT INTO policy_versions (organization_id, policy_id, version, content, decided_by, decided_at)
  SELECT organization_id, organization_id, version,
    '{"name":"Default","rules":' || rules || ',"groups":[],"accounts":[],"deleted":false}', decided_by, decided_at
  FROM authentication_policies;
DROP TABLE authentication_policies;

-- Sealed codes of owners for the day when nobody gets in; only their hash is kept.
CREATE TABLE break_glass_codes (
  organization_id BLOB NOT NULL,
  id BLOB NOT NULL,
  account_id BLOB NOT NULL,
  code_hash BLOB NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  used_at INTEGER,
  revoked_at INTEGER,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, account_id) REFERENCES memberships (organization_id, account_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX break_glass_codes_account ON break_glass_codes (organization_id, account_id);

-- Break-glass: asked for by one owner, opened by a second one, over after a time.
CREATE TABLE break_glass_openings (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('asked', 'open', 'lapsed', 'closed')),
  reason TEXT NOT NULL,
  hours INTEGER NOT NULL,
  asked_by BLOB NOT NULL REFERENCES accounts (id),
  asked_at INTEGER NOT NULL,
  joined_by BLOB REFERENCES accounts (id),
  opened_at INTEGER,
  expires_at INTEGER NOT NULL, -- of the request, and then of the opening
  ended_at INTEGER,
  PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX break_glass_openings_state ON break_glass_openings (organization_id, state);
CREATE INDEX break_glass_openings_asked_by ON break_glass_openings (asked_by);
CREATE INDEX break_glass_openings_joined_by ON break_glass_openings (joined_by);
