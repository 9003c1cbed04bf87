-- What people prove themselves with beside a password, and what a session has proved.

-- The methods' names are the program's; the constraint of the first version knew two of them.
ALTER TABLE sessions RENAME COLUMN method TO method_old;
ALTER TABLE sessions ADD COLUMN method TEXT NOT NULL DEFAULT '';
UPDATE sessions SET method = method_old;
ALTER TABLE sessions DROP COLUMN method_old;
ALTER TABLE sessions ADD COLUMN amr TEXT NOT NULL DEFAULT ''; -- RFC 8176, separated by spaces
ALTER TABLE sessions ADD COLUMN level INTEGER NOT NULL DEFAULT 0; -- rank of users::factors::Level
ALTER TABLE sessions ADD COLUMN auth_time INTEGER NOT NULL DEFAULT 0; -- the last proof
UPDATE sessions SET auth_time = created_at;
ALTER TABLE sessions ADD COLUMN step_up_us INTEGER NOT NULL DEFAULT 3600000000; -- how long that proof is recent
ALTER TABLE sessions ADD COLUMN restricted INTEGER NOT NULL DEFAULT 0; -- 1: a policy asks for more than was proved

CREATE TABLE totp_factors (
  account_id BLOB NOT NULL PRIMARY KEY REFERENCES accounts (id),
  secret BLOB NOT NULL, -- sealed
  created_at INTEGER NOT NULL,
  confirmed_at INTEGER, -- null: shown, no code was typed yet
  last_step INTEGER NOT NULL -- the newest step a code was accepted for: none before it works again
) STRICT;

CREATE TABLE recovery_codes (
  account_id BLOB NOT NULL REFERENCES accounts (id),
  code_hash BLOB NOT NULL, -- HMAC-SHA-256 with a derived key
  created_at INTEGER NOT NULL,
  used_at INTEGER,
  PRIMARY KEY (account_id, code_hash)
) STRICT;

CREATE TABLE passkeys (
  id BLOB NOT NULL PRIMARY KEY,
  account_id BLOB NOT NULL REFERENCES accounts (id),
  credential_id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL,
  public_key BLOB NOT NULL, -- COSE_Key (RFC 9052)
  sign_count INTEGER NOT NULL,
  aaguid BLOB NOT NULL,
  attested INTEGER NOT NULL, -- 1: its make was proved when it was added
  synced INTEGER NOT NULL, -- 1: may be copied to other devices
  created_at INTEGER NOT NULL,
  last_used_at INTEGER
) STRICT;
CREATE INDEX passkeys_account ON passkeys (account_id, created_at);

-- Challenges that were answered; they are made without a row and work once.
CREATE TABLE spent_challenges (
  challenge_hash BLOB NOT NULL PRIMARY KEY,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX spent_challenges_expires ON spent_challenges (expires_at);

-- Sign-ins after the first factor, waiting for the second.
CREATE TABLE pending_sign_ins (
  token_hash BLOB NOT NULL PRIMARY KEY,
  account_id BLOB NOT NULL REFERENCES accounts (id),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  used_at INTEGER
) STRICT;
CREATE INDEX pending_sign_ins_account ON pending_sign_ins (account_id);
CREATE INDEX pending_sign_ins_expires ON pending_sign_ins (expires_at);
