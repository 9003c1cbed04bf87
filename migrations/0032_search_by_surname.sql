-- People are found by the beginning of their name or of its last word. The keys are made by the database, so that they
-- cannot differ from the name: `rtrim` takes off the last word's letters, and what is left tells where it begins. `lower`
-- changes ASCII letters alone; the twin for PostgreSQL says so with a collation. The address orders namesakes.
ALTER TABLE memberships ADD COLUMN name_key TEXT NOT NULL GENERATED ALWAYS AS (lower(name)) VIRTUAL;
ALTER TABLE memberships ADD COLUMN surname_key TEXT NOT NULL
  GENERATED ALWAYS AS (lower(substr(name, length(rtrim(name, replace(name, ' ', ''))) + 1))) VIRTUAL;
DROP INDEX memberships_name;
CREATE INDEX memberships_name ON memberships (organization_id, name_key, email);
CREATE INDEX memberships_surname ON memberships (organization_id, surname_key, email);
