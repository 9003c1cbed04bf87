-- With everything in them that is asked by account: otherwise a planner without statistics walks all rows of the
-- organization in a primary key that covers the query, once for each of its people.
DROP INDEX group_members_account;
CREATE INDEX group_members_account ON group_members (organization_id, account_id, group_id);
DROP INDEX connection_links_account;
CREATE INDEX connection_links_account ON connection_links (account_id, organization_id, connection_id);
DROP INDEX claimed_accounts_account;
CREATE INDEX claimed_accounts_account ON claimed_accounts (account_id, organization_id, state);
