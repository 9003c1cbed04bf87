-- Who of an organization is active is counted by the matrix, guided set-up and policies: from two indexes that hold
-- all that is asked, instead of a row of each account and membership. Unique, though the id alone is: so the planner knows.
CREATE INDEX memberships_standing ON memberships (organization_id, state, account_id);
CREATE UNIQUE INDEX accounts_standing ON accounts (id, state, managed_by);
