-- Access by request: what may be asked for, who asked, who decided, and which mail domains stand open.

-- People who may use a product by an access rule of their organization without being in the rule's group.
CREATE TABLE product_members (
  organization_id BLOB NOT NULL,
  access_id BLOB NOT NULL,
  account_id BLOB NOT NULL,
  added_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, access_id, account_id),
  FOREIGN KEY (organization_id, access_id) REFERENCES product_access (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, account_id) REFERENCES memberships (organization_id, account_id) ON DELETE CASCADE
) STRICT;
CREATE INDEX product_members_account ON product_members (organization_id, account_id);

-- What members may ask for, and who decides about it.
CREATE TABLE access_offers (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('group', 'product', 'role')),
  group_id BLOB,
  access_id BLOB, -- the rule of a product
  role TEXT CHECK (role IN ('admin', 'auditor')),
  approvers BLOB, -- a group that decides beside those who manage people; may be gone
  approvals INTEGER NOT NULL CHECK (approvals IN (1, 2)),
  days_max INTEGER NOT NULL,
  hours_to_decide INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  CHECK (role IS NULL OR role <> 'admin' OR approvals = 2),
  FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, access_id) REFERENCES product_access (organization_id, id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX access_offers_group ON access_offers (organization_id, group_id);
CREATE UNIQUE INDEX access_offers_access ON access_offers (organization_id, access_id);
CREATE UNIQUE INDEX access_offers_role ON access_offers (organization_id, role);

-- Who asked for what. A request outlives what it was about.
CREATE TABLE access_requests (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  account_id BLOB NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL CHECK (kind IN ('group', 'product', 'role', 'membership')),
  target BLOB, -- a group, or the rule of a product
  role TEXT CHECK (role IN ('admin', 'auditor')),
  target_name TEXT NOT NULL, -- as it was called when asked
  wanted_key TEXT NOT NULL, -- kind and target in one word, for uniqueness
  offer BLOB, -- null: membership by an approved domain
  reason TEXT NOT NULL,
  days INTEGER NOT NULL, -- 0: without end
  approvals INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'granted', 'refused', 'withdrawn', 'lapsed', 'ended')),
  asked_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL, -- the target of whoever decides
  decided_at INTEGER,
  expires_at INTEGER,
  role_before TEXT, -- what a granted role falls back to
  ended_at INTEGER,
  ended_why TEXT,
  PRIMARY KEY (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX access_requests_one ON access_requests (organization_id, account_id, wanted_key)
  WHERE state IN ('waiting', 'granted');
CREATE INDEX access_requests_state ON access_requests (organization_id, state, due_at);
CREATE INDEX access_requests_account ON access_requests (account_id);

CREATE TABLE access_decisions (
  organization_id BLOB NOT NULL,
  request_id BLOB NOT NULL,
  account_id BLOB NOT NULL REFERENCES accounts (id),
  approved INTEGER NOT NULL,
  words TEXT NOT NULL,
  decided_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, request_id, account_id),
  FOREIGN KEY (organization_id, request_id) REFERENCES access_requests (organization_id, id)
) STRICT;
CREATE INDEX access_decisions_account ON access_decisions (account_id);

-- Mail domains whose people may join without an invitation, or ask to.
CREATE TABLE approved_domains (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  domain TEXT NOT NULL, -- canonical
  mode TEXT NOT NULL CHECK (mode IN ('join', 'ask')),
  approved_by TEXT NOT NULL, -- the name of who decided, as shown
  approved_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, domain)
) STRICT;
CREATE INDEX approved_domains_domain ON approved_domains (domain);
