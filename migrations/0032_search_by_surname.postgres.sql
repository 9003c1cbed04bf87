-- People are found by the beginning of their name or of its last word. The keys are made by the database, so that they
-- cannot differ from the name: `rtrim` takes off the last word's letters, and what is left tells where it begins. In the
-- collation "C" `lower` changes ASCII letters alone, as SQLite does. The address orders namesakes.
-- Columns, and not an index over the expression as before: behind row-level security PostgreSQL looks nothing up by what
-- calls `lower`, since that is not declared leakproof, and read the whole organization instead.
ALTER TABLE memberships ADD COLUMN name_key TEXT COLLATE "C" NOT NULL
  GENERATED ALWAYS AS (lower(name COLLATE "C")) STORED;
ALTER TABLE memberships ADD COLUMN surname_key TEXT COLLATE "C" NOT NULL
  GENERATED ALWAYS AS (lower(substr(name, length(rtrim(name, replace(name, ' ', ''))) + 1) COLLATE "C")) STORED;
DROP INDEX memberships_name;
CREATE INDEX memberships_name ON memberships (organization_id, name_key, email);
CREATE INDEX memberships_surname ON memberships (organization_id, surname_key, email);
