-- Search by the beginning of a name. In the collation "C" `lower` changes ASCII letters alone, as SQLite does, and a
-- prefix is a range whatever the locale of the database.
CREATE INDEX memberships_name ON memberships (organization_id, lower(name COLLATE "C"));
CREATE INDEX organizations_name ON organizations (lower(name COLLATE "C"));
