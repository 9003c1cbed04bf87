-- A certificate that this installation obtains by itself (ACME). Private keys are sealed.
CREATE TABLE acme_accounts (
  directory TEXT NOT NULL PRIMARY KEY,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE acme_certificates (
  names TEXT NOT NULL PRIMARY KEY, -- sorted, with spaces between them
  chain TEXT, -- PEM; null until the first one is there
  sealed_key BLOB,
  not_before INTEGER,
  not_after INTEGER,
  failures INTEGER NOT NULL, -- since the last success
  last_error TEXT,
  next_try_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;

-- What the authority asks for while it looks whether a name leads here, on whichever node it arrives.
CREATE TABLE acme_challenges (
  token TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  key_authorization TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX acme_challenges_name ON acme_challenges (name, created_at);
