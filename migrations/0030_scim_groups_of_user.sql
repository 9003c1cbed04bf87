-- Covers the look-up of a person's groups: without the group in it, SQLite read all members of the directory for each person.
DROP INDEX scim_group_members_user;
CREATE INDEX scim_group_members_user ON scim_group_members (organization_id, directory_id, scim_user_id, scim_group_id);
