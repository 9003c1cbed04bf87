-- Domains an organization says are its own, how far the proof is, and the claims of accounts that follow from it.
CREATE TABLE domains (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  name TEXT NOT NULL, -- lower case, A-labels
  state TEXT NOT NULL CHECK (state IN ('pending', 'verified', 'at_risk', 'suspended', 'lost', 'removed')),
  state_since INTEGER NOT NULL,
  token TEXT NOT NULL, -- is published by the domain's owner, so it is no secret
  token_expires_at INTEGER NOT NULL, -- bounds the first proof; re-checks go on with the same token
  proof_method TEXT CHECK (proof_method IN ('dns_txt', 'https_file')),
  proof_hash BLOB, -- SHA-256 of the answer that proved it
  proof_resolvers TEXT, -- who gave that answer
  proved_at INTEGER,
  checked_at INTEGER,
  check_report TEXT, -- JSON: what each resolver and the web server said last
  misses INTEGER NOT NULL, -- checks in a row that found the proof gone
  unanswered_since INTEGER,
  due_at INTEGER, -- next check; null while nothing is held
  claim_new INTEGER NOT NULL,
  claim_new_since INTEGER NOT NULL,
  lost_at INTEGER,
  resolved_at INTEGER, -- when the organization that lost it proved it again
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  -- Nothing is held without a stored proof.
  CHECK (state NOT IN ('verified', 'at_risk', 'suspended')
    OR (proof_method IS NOT NULL AND proof_hash IS NOT NULL AND proof_resolvers IS NOT NULL AND proved_at IS NOT NULL)),
  CHECK (state <> 'lost' OR lost_at IS NOT NULL)
) STRICT;
-- One holder for each name; two organizations may both try.
CREATE UNIQUE INDEX domains_one_holder ON domains (name) WHERE state IN ('verified', 'at_risk', 'suspended');
CREATE UNIQUE INDEX domains_one_open ON domains (organization_id, name)
  WHERE state IN ('pending', 'verified', 'at_risk', 'suspended');
CREATE INDEX domains_due ON domains (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX domains_name ON domains (name, state);
CREATE INDEX domains_state ON domains (state, name);

-- One decision to claim accounts; worked off by a job.
CREATE TABLE claims (
  organization_id BLOB NOT NULL,
  id BLOB NOT NULL,
  domain_id BLOB NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('all', 'chosen', 'new')),
  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'undoing', 'undone')),
  undo_until INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  finished_at INTEGER,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, domain_id) REFERENCES domains (organization_id, id)
) STRICT;
CREATE INDEX claims_domain ON claims (organization_id, domain_id, id);

CREATE TABLE claimed_accounts (
  organization_id BLOB NOT NULL,
  claim_id BLOB NOT NULL,
  account_id BLOB NOT NULL REFERENCES accounts (id),
  state TEXT NOT NULL CHECK (state IN ('waiting', 'claimed', 'retired', 'skipped', 'undone')),
  made_membership INTEGER NOT NULL, -- the claim made the account a member; undoing it takes that back
  PRIMARY KEY (organization_id, claim_id, account_id),
  FOREIGN KEY (organization_id, claim_id) REFERENCES claims (organization_id, id)
) STRICT;
CREATE INDEX claimed_accounts_state ON claimed_accounts (organization_id, claim_id, state, account_id);
CREATE INDEX claimed_accounts_account ON claimed_accounts (account_id, organization_id);
