-- What an organization sees of alerts: its own people in them. Derived from what detectors saw.
CREATE TABLE person_alerts (
  organization_id BLOB NOT NULL REFERENCES organizations (id), -- whose person it is
  id BLOB NOT NULL,
  alert_organization_id BLOB NOT NULL, -- the provider
  alert_id BLOB NOT NULL,
  account_id BLOB NOT NULL REFERENCES accounts (id),
  outcome TEXT NOT NULL CHECK (outcome IN ('failed', 'known', 'entered')),
  network TEXT NOT NULL, -- where all tries came from; empty: from several, or it is not the organization's to know
  networks INTEGER NOT NULL, -- from how many
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (alert_organization_id, alert_id) REFERENCES alerts (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX person_alerts_one ON person_alerts (organization_id, alert_id, account_id);
CREATE INDEX person_alerts_alert ON person_alerts (alert_organization_id, alert_id);
CREATE INDEX person_alerts_account ON person_alerts (account_id);

-- Alerts of which it is still known whom they were about.
CREATE INDEX alerts_to_forget ON alerts (organization_id, state_at) WHERE state = 'resolved' AND subject <> '';
