-- Who is told first when a breach touches an organization's data, and which rules it must report under.
CREATE TABLE breach_contacts (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  email_key TEXT NOT NULL, -- lower case, for uniqueness
  phone TEXT NOT NULL, -- empty: none
  role TEXT NOT NULL CHECK (role IN ('security', 'privacy', 'legal', 'executive')),
  is_primary INTEGER NOT NULL CHECK (is_primary IN (0, 1)),
  token_hash BLOB UNIQUE, -- SHA-256 of the mailed link's secret; null once used
  token_expires_at INTEGER,
  asked_at INTEGER NOT NULL,
  confirmed_at INTEGER, -- when the contact pressed the button behind the link
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, email_key)
) STRICT;
CREATE UNIQUE INDEX breach_contacts_one_primary ON breach_contacts (organization_id) WHERE is_primary = 1;
CREATE INDEX breach_contacts_confirmed ON breach_contacts (confirmed_at) WHERE confirmed_at IS NOT NULL;

-- No row: nobody has chosen. No regimes and a reason: none applies.
CREATE TABLE breach_regimes (
  organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
  regimes TEXT NOT NULL, -- codes, separated by spaces
  reason TEXT NOT NULL, -- why none applies; empty otherwise
  chosen_at INTEGER NOT NULL
) STRICT;
