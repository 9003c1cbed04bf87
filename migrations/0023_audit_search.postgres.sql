-- As 0023_audit_search.sql; in the collation "C" the beginning of an action is a range whatever the locale of the database.
CREATE INDEX events_action ON events (organization_id, action COLLATE "C", sequence);
CREATE INDEX events_actor ON events (organization_id, actor_id, sequence);
CREATE INDEX events_target_id ON events (organization_id, target_id, sequence);
