-- Search of the audit log: by action, by who acted, by what it happened to. The twin for PostgreSQL names a collation.
CREATE INDEX events_action ON events (organization_id, action, sequence);
CREATE INDEX events_actor ON events (organization_id, actor_id, sequence);
CREATE INDEX events_target_id ON events (organization_id, target_id, sequence);
