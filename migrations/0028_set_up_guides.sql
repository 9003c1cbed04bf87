-- Guided set-up: how far each organization is (derived, kept so that thousands can be listed), and what it leaves out.
CREATE TABLE set_up_guides (
  organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
  done INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  steps INTEGER NOT NULL,
  next_step TEXT NOT NULL, -- empty: none is left
  next_label TEXT NOT NULL,
  finished INTEGER NOT NULL, -- 1 from the first time that no step was left
  finished_at INTEGER,
  hidden INTEGER NOT NULL, -- 1: not on the first screen any more
  looked_at INTEGER NOT NULL
) STRICT;
CREATE INDEX set_up_guides_progress ON set_up_guides (finished, done, organization_id);

CREATE TABLE set_up_skips (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  step TEXT NOT NULL,
  reason TEXT NOT NULL,
  skipped_by TEXT NOT NULL,
  skipped_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, step)
) STRICT;
