-- SAML sign-ins that were verified, between the provider's form and the browser that takes them up.
CREATE TABLE connection_answers (
  state_hash BLOB NOT NULL PRIMARY KEY, -- of the state that was asked with, or of one made for an answer nobody asked for
  connection_id BLOB NOT NULL REFERENCES connections (id),
  identity TEXT NOT NULL, -- JSON, see users::single_sign_on::arrival; gone when it is taken up
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX connection_answers_connection ON connection_answers (connection_id);
CREATE INDEX connection_answers_expires ON connection_answers (expires_at);
