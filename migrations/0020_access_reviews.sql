-- Review campaigns: who has what at one moment, who looked at it, what they decided and whether it took effect.
CREATE TABLE access_reviews (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  name TEXT NOT NULL,
  kinds TEXT NOT NULL, -- kinds of grants in scope, separated by spaces
  on_silence TEXT NOT NULL CHECK (on_silence IN ('revoke', 'keep')),
  state TEXT NOT NULL CHECK (state IN ('gathering', 'open', 'applying', 'done', 'cancelled')),
  started_by TEXT NOT NULL, -- the name of who started it, as shown
  started_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  gathered_to TEXT NOT NULL, -- people up to this address are in
  finished_at INTEGER,
  PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX access_reviews_state ON access_reviews (organization_id, state, finished_at);

CREATE TABLE access_review_reviewers (
  organization_id BLOB NOT NULL,
  review_id BLOB NOT NULL,
  account_id BLOB NOT NULL REFERENCES accounts (id),
  PRIMARY KEY (organization_id, review_id, account_id),
  FOREIGN KEY (organization_id, review_id) REFERENCES access_reviews (organization_id, id)
) STRICT;
CREATE INDEX access_review_reviewers_account ON access_review_reviewers (account_id);

-- One grant of one person (or of nobody: the operator's token) as it was when the review was started.
CREATE TABLE access_review_items (
  organization_id BLOB NOT NULL,
  review_id BLOB NOT NULL,
  id BLOB NOT NULL,
  account_id BLOB REFERENCES accounts (id),
  email TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('role', 'group', 'product', 'token')),
  target BLOB, -- a group, the rule of a product, or a token: outlived by this
  role TEXT,
  target_name TEXT NOT NULL,
  decision TEXT CHECK (decision IN ('keep', 'revoke')),
  reason TEXT NOT NULL,
  decided_by BLOB REFERENCES accounts (id), -- null: nobody answered
  decided_at INTEGER,
  effect TEXT CHECK (effect IN ('kept', 'revoked', 'gone', 'refused')),
  effect_words TEXT NOT NULL,
  effect_at INTEGER,
  verified_at INTEGER, -- when it was seen to be gone
  PRIMARY KEY (organization_id, review_id, id),
  FOREIGN KEY (organization_id, review_id) REFERENCES access_reviews (organization_id, id)
) STRICT;
CREATE INDEX access_review_items_account ON access_review_items (account_id);
CREATE INDEX access_review_items_decided_by ON access_review_items (decided_by);
CREATE INDEX access_review_items_place ON access_review_items (organization_id, review_id, email, id);
