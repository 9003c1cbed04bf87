-- Reports of misuse: each stands before the organization's admins and before the provider's staff, who answer apart.
CREATE TABLE abuse_reports (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('account', 'sign_in', 'data', 'impostor', 'other')),
  test INTEGER NOT NULL, -- 1: somebody tries the channel
  source TEXT NOT NULL CHECK (source IN ('member', 'public')),
  reporter_id BLOB REFERENCES accounts (id), -- null: from the public page, or by a program
  contact TEXT NOT NULL, -- address of the reporter; nobody has proved it where it came from the public page
  about TEXT NOT NULL, -- what is misused, as written
  body TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  customer_state TEXT NOT NULL CHECK (customer_state IN ('new', 'working', 'resolved', 'dismissed')),
  customer_by TEXT NOT NULL, -- the name of who answered last, as shown
  customer_at INTEGER,
  provider_state TEXT NOT NULL CHECK (provider_state IN ('new', 'working', 'resolved', 'dismissed')),
  provider_by TEXT NOT NULL,
  provider_at INTEGER,
  PRIMARY KEY (organization_id, id)
) STRICT;
CREATE INDEX abuse_reports_provider ON abuse_reports (provider_state, id);
CREATE INDEX abuse_reports_tests ON abuse_reports (organization_id, provider_at) WHERE test = 1;
CREATE INDEX abuse_reports_opened ON abuse_reports (organization_id, source, opened_at);
CREATE INDEX abuse_reports_reporter ON abuse_reports (reporter_id);

-- What those who work on a report write; both sides read it.
CREATE TABLE abuse_report_notes (
  organization_id BLOB NOT NULL,
  report_id BLOB NOT NULL,
  id BLOB NOT NULL,
  side TEXT NOT NULL CHECK (side IN ('provider', 'customer')),
  author TEXT NOT NULL, -- a name, as shown
  state TEXT NOT NULL, -- what the side's state became
  body TEXT NOT NULL,
  written_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, report_id, id),
  FOREIGN KEY (organization_id, report_id) REFERENCES abuse_reports (organization_id, id)
) STRICT;

-- Organizations that take reports from anybody, on a page whose address they give away.
CREATE TABLE abuse_report_pages (
  organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
  token TEXT NOT NULL UNIQUE,
  opened_at INTEGER NOT NULL
) STRICT;
