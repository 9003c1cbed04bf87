-- The keys that sign checkpoints. Number 1 is derived from the root key and has a row once there is a second one.
CREATE TABLE ledger_keys (
  number INTEGER NOT NULL PRIMARY KEY,
  public BLOB NOT NULL, -- Ed25519, 32 bytes
  sealed BLOB, -- the seed; null: number 1, or wiped when the key ended
  handover TEXT, -- signed by the key before and by this one; null: number 1
  begins_at INTEGER NOT NULL,
  ends_at INTEGER, -- signs no checkpoint from then on; null: the current one
  retired_at INTEGER -- when its end was put into the provider's ledger and its seed wiped
) STRICT;
