-- Detection of harm: what detectors count, whether they are alive, and the alerts that they raise.

-- What each detector has seen of its subjects within its window. Derived from events, dropped when the window is over.
CREATE TABLE detector_tries (
  detector TEXT NOT NULL,
  subject TEXT NOT NULL, -- a network, or an account: its id, or the address that was typed where there is none
  other TEXT NOT NULL, -- the other one of the two
  failures INTEGER NOT NULL,
  failed_at INTEGER, -- the last failure
  code_failed_at INTEGER, -- the last wrong second factor
  used_up_at INTEGER, -- when all tries of a second factor were used
  known_at INTEGER, -- when a password was right and more was asked
  entered_at INTEGER, -- when a session was started from a network that is strange to the account
  home_at INTEGER, -- when one was started from a network where it had signed in before
  last_at INTEGER NOT NULL,
  PRIMARY KEY (detector, subject, other)
) STRICT;
CREATE INDEX detector_tries_last ON detector_tries (detector, last_at);

-- When each detector last had seen everything that was committed.
CREATE TABLE detector_beats (
  detector TEXT NOT NULL PRIMARY KEY,
  beat_at INTEGER NOT NULL
) STRICT;

-- Detectors that somebody stopped.
CREATE TABLE detector_stops (
  detector TEXT NOT NULL PRIMARY KEY,
  reason TEXT NOT NULL,
  stopped_by TEXT NOT NULL, -- a name, as shown
  stopped_at INTEGER NOT NULL
) STRICT;

CREATE TABLE alerts (
  organization_id BLOB NOT NULL REFERENCES organizations (id), -- who has to act; the provider
  id BLOB NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  severity TEXT NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
  state TEXT NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
  state_at INTEGER NOT NULL,
  state_by TEXT NOT NULL, -- a name, as shown; empty: the detector
  verdict TEXT NOT NULL CHECK (verdict IN ('', 'true_positive', 'false_positive', 'benign')),
  note TEXT NOT NULL,
  raised_at INTEGER NOT NULL,
  reopened INTEGER NOT NULL, -- how often
  assigned_to BLOB REFERENCES accounts (id),
  PRIMARY KEY (organization_id, id)
) STRICT;
CREATE UNIQUE INDEX alerts_live ON alerts (organization_id, kind, subject) WHERE state <> 'resolved';
CREATE INDEX alerts_subject ON alerts (organization_id, kind, subject, id);
CREATE INDEX alerts_assigned_to ON alerts (assigned_to);

-- What grows while an alert goes on. Derived from events.
CREATE TABLE alert_figures (
  organization_id BLOB NOT NULL,
  alert_id BLOB NOT NULL,
  tries INTEGER NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, alert_id),
  FOREIGN KEY (organization_id, alert_id) REFERENCES alerts (organization_id, id)
) STRICT;

-- The accounts that a network tried, or the networks from which an account was tried.
CREATE TABLE alert_sightings (
  organization_id BLOB NOT NULL,
  alert_id BLOB NOT NULL,
  other TEXT NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('failed', 'known', 'entered')),
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, alert_id, other),
  FOREIGN KEY (organization_id, alert_id) REFERENCES alerts (organization_id, id)
) STRICT;

-- Tries of an alert in each five minutes.
CREATE TABLE alert_slots (
  organization_id BLOB NOT NULL,
  alert_id BLOB NOT NULL,
  slot_at INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  PRIMARY KEY (organization_id, alert_id, slot_at),
  FOREIGN KEY (organization_id, alert_id) REFERENCES alerts (organization_id, id)
) STRICT;

-- When the staff was mailed about what, so that a flood of alerts is no flood of mails.
CREATE TABLE alert_mails (
  organization_id BLOB NOT NULL,
  alert_id BLOB NOT NULL,
  severity TEXT NOT NULL,
  mailed_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, alert_id, severity, mailed_at),
  FOREIGN KEY (organization_id, alert_id) REFERENCES alerts (organization_id, id)
) STRICT;
CREATE INDEX alert_mails_hour ON alert_mails (organization_id, severity, mailed_at);
