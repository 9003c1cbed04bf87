-- The support desk: tickets of organizations, what was written on them, and the provider's targets.
CREATE TABLE tickets (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL UNIQUE,
  number INTEGER NOT NULL, -- 1, 2, 3 … within the organization: what people say to each other
  subject TEXT NOT NULL,
  search TEXT NOT NULL, -- what is searched, lower case
  severity TEXT NOT NULL CHECK (severity IN ('urgent', 'high', 'normal', 'low')),
  state TEXT NOT NULL CHECK (state IN ('open', 'answered', 'waiting', 'resolved', 'closed')),
  state_at INTEGER NOT NULL,
  turn INTEGER NOT NULL, -- counts changes of state, so that a late job knows that it is late
  about TEXT NOT NULL, -- a row of the matrix or a page of the organization; may be empty
  opened_by BLOB REFERENCES accounts (id), -- null: a token or the operator
  opened_name TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  assigned_to BLOB REFERENCES accounts (id),
  answered_at INTEGER, -- the first answer
  clock_at INTEGER, -- since when the provider owes an answer; null: it owes none
  near_at INTEGER,
  due_at INTEGER,
  past_at INTEGER, -- when it was noted that this clock ran out
  missed INTEGER NOT NULL, -- targets that passed
  PRIMARY KEY (organization_id, id),
  UNIQUE (organization_id, number)
) STRICT;
CREATE INDEX tickets_due ON tickets (due_at, id);
CREATE INDEX tickets_state ON tickets (state, state_at, id);
CREATE INDEX tickets_opened_by ON tickets (opened_by, organization_id);
CREATE INDEX tickets_assigned_to ON tickets (assigned_to);

CREATE TABLE ticket_messages (
  organization_id BLOB NOT NULL,
  ticket_id BLOB NOT NULL,
  number INTEGER NOT NULL,
  side TEXT NOT NULL CHECK (side IN ('customer', 'provider')),
  author_id BLOB REFERENCES accounts (id),
  author_name TEXT NOT NULL,
  did TEXT NOT NULL, -- what became of the ticket by it
  body TEXT NOT NULL, -- may be empty where something was done without words
  written_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, ticket_id, number),
  FOREIGN KEY (organization_id, ticket_id) REFERENCES tickets (organization_id, id)
) STRICT;
CREATE INDEX ticket_messages_author ON ticket_messages (author_id);

-- What the provider's people write to each other. A table of its own: nothing that a customer asks for reads it.
CREATE TABLE ticket_notes (
  organization_id BLOB NOT NULL,
  ticket_id BLOB NOT NULL,
  number INTEGER NOT NULL,
  author_id BLOB REFERENCES accounts (id),
  author_name TEXT NOT NULL,
  body TEXT NOT NULL,
  written_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, ticket_id, number),
  FOREIGN KEY (organization_id, ticket_id) REFERENCES tickets (organization_id, id)
) STRICT;
CREATE INDEX ticket_notes_author ON ticket_notes (author_id);

-- Targets, hours and address of the desk, once the provider changed the defaults.
CREATE TABLE support_desk (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
  settings TEXT NOT NULL, -- JSON, see users::support::desk
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE support_choices (
  organization_id BLOB NOT NULL PRIMARY KEY REFERENCES organizations (id),
  members_may_open INTEGER NOT NULL,
  changed_by TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;
