-- Search by the beginning of a name. `lower` changes ASCII letters alone; the twin for PostgreSQL says so with a collation.
CREATE INDEX memberships_name ON memberships (organization_id, lower(name));
CREATE INDEX organizations_name ON organizations (lower(name));
