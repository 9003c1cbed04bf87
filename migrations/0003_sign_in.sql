-- What people prove themselves with, and the sessions that follow.
CREATE TABLE passwords (
  account_id BLOB NOT NULL PRIMARY KEY REFERENCES accounts (id),
  phc TEXT NOT NULL, -- Argon2id in PHC string form
  set_at INTEGER NOT NULL
) STRICT;

CREATE TABLE password_history (
  account_id BLOB NOT NULL REFERENCES accounts (id),
  set_at INTEGER NOT NULL,
  phc TEXT NOT NULL,
  PRIMARY KEY (account_id, set_at)
) STRICT;

CREATE TABLE sessions (
  id BLOB NOT NULL PRIMARY KEY,
  account_id BLOB NOT NULL REFERENCES accounts (id),
  token_hash BLOB NOT NULL UNIQUE,
  method TEXT NOT NULL CHECK (method IN ('password', 'link')),
  network TEXT NOT NULL, -- IPv4 address or IPv6 /64
  user_agent TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  idle_expires_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  idle_us INTEGER NOT NULL, -- how far each use moves idle_expires_at
  revoked_at INTEGER
) STRICT;
CREATE INDEX sessions_account ON sessions (account_id, created_at);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- Single-use links sent by mail or printed by the operator; only the hash of the token is kept.
CREATE TABLE links (
  token_hash BLOB NOT NULL PRIMARY KEY,
  purpose TEXT NOT NULL CHECK (purpose IN ('set_up', 'sign_up', 'recovery', 'sign_in')),
  account_id BLOB REFERENCES accounts (id),
  email TEXT NOT NULL, -- empty where the link is bound to no address
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT;
CREATE INDEX links_account ON links (account_id, purpose);
CREATE INDEX links_email ON links (email, purpose);
CREATE INDEX links_expires ON links (expires_at);

-- Failed tries per subject (account, network, or both) and quarter of an hour.
CREATE TABLE sign_in_failures (
  subject TEXT NOT NULL,
  window_start INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  PRIMARY KEY (subject, window_start)
) STRICT;
CREATE INDEX sign_in_failures_window ON sign_in_failures (window_start);
