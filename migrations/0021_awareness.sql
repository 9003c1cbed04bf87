-- The awareness notice of an organization, and who acknowledged it.
CREATE TABLE awareness_notices (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  version INTEGER NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  renews INTEGER NOT NULL, -- 1: acknowledgements from before it count no more
  published_by TEXT NOT NULL, -- the name of who published it, as shown
  published_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, version)
) STRICT;

CREATE TABLE awareness_people (
  organization_id BLOB NOT NULL,
  account_id BLOB NOT NULL,
  version INTEGER, -- of the notice that was acknowledged
  acknowledged_at INTEGER,
  told_at INTEGER, -- when it was last mailed
  PRIMARY KEY (organization_id, account_id),
  FOREIGN KEY (organization_id, account_id) REFERENCES memberships (organization_id, account_id) ON DELETE CASCADE
) STRICT;
