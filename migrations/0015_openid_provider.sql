-- Products that sign people in through us, and what they were given. Products are the installation's, not a tenant's.
CREATE TABLE products (
  id BLOB NOT NULL PRIMARY KEY, -- also the client_id
  name TEXT NOT NULL,
  authentication TEXT NOT NULL CHECK (authentication IN ('secret', 'private_key_jwt', 'none')),
  jwks TEXT NOT NULL, -- public keys of private_key_jwt; empty otherwise
  redirect_uris TEXT NOT NULL, -- one a line, as are all lists here
  logout_uris TEXT NOT NULL,
  backchannel_logout_uri TEXT NOT NULL, -- empty: none
  grant_types TEXT NOT NULL,
  scopes TEXT NOT NULL,
  audiences TEXT NOT NULL, -- resources its tokens may be for
  resource TEXT NOT NULL, -- the resource it is itself; empty: none
  everyone INTEGER NOT NULL, -- 0: only whom product_access names
  asks_consent INTEGER NOT NULL,
  requires_dpop INTEGER NOT NULL,
  requires_par INTEGER NOT NULL,
  id_token_algorithm TEXT NOT NULL CHECK (id_token_algorithm IN ('ES256', 'EdDSA', 'RS256')),
  state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE product_secrets (
  product_id BLOB NOT NULL REFERENCES products (id),
  id BLOB NOT NULL,
  secret_hash BLOB NOT NULL, -- SHA-256 of 256 random bits
  created_at INTEGER NOT NULL,
  expires_at INTEGER, -- null: until it is replaced
  PRIMARY KEY (product_id, id)
) STRICT;

-- Who may use a product that is not for everyone, and as what.
CREATE TABLE product_access (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  id BLOB NOT NULL,
  product_id BLOB NOT NULL REFERENCES products (id),
  group_id BLOB, -- null: every member
  role TEXT NOT NULL, -- empty: none
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, id),
  FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX product_access_product ON product_access (product_id);
CREATE INDEX product_access_group ON product_access (organization_id, group_id);

CREATE TABLE oauth_keys (
  id BLOB NOT NULL PRIMARY KEY,
  algorithm TEXT NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256')),
  public TEXT NOT NULL, -- JWK
  sealed BLOB NOT NULL, -- PKCS #8
  signs_from INTEGER NOT NULL, -- until a newer one does
  created_at INTEGER NOT NULL
) STRICT;

-- Authorization requests: pushed ones (RFC 9126) and those that wait for a person.
CREATE TABLE oauth_requests (
  token_hash BLOB NOT NULL PRIMARY KEY,
  product_id BLOB NOT NULL REFERENCES products (id),
  kind TEXT NOT NULL CHECK (kind IN ('pushed', 'waiting')),
  parameters TEXT NOT NULL, -- JSON
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT;
CREATE INDEX oauth_requests_product ON oauth_requests (product_id);
CREATE INDEX oauth_requests_expires ON oauth_requests (expires_at);

-- One sign-in of a person at a product, and everything issued from it: the family that dies together.
CREATE TABLE oauth_grants (
  id BLOB NOT NULL PRIMARY KEY,
  product_id BLOB NOT NULL REFERENCES products (id),
  account_id BLOB NOT NULL REFERENCES accounts (id),
  session_id BLOB REFERENCES sessions (id) ON DELETE SET NULL,
  offline INTEGER NOT NULL, -- 1: outlives its session
  details TEXT NOT NULL, -- JSON
  code_hash BLOB UNIQUE, -- null: by device
  code_expires_at INTEGER,
  code_used_at INTEGER,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT;
CREATE INDEX oauth_grants_product ON oauth_grants (product_id, account_id);
CREATE INDEX oauth_grants_account ON oauth_grants (account_id, created_at);
CREATE INDEX oauth_grants_session ON oauth_grants (session_id);
CREATE INDEX oauth_grants_expires ON oauth_grants (expires_at);

CREATE TABLE oauth_refresh_tokens (
  token_hash BLOB NOT NULL PRIMARY KEY,
  grant_id BLOB NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,
  jkt TEXT, -- thumbprint of the key it is bound to
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT;
CREATE INDEX oauth_refresh_tokens_grant ON oauth_refresh_tokens (grant_id);
CREATE INDEX oauth_refresh_tokens_expires ON oauth_refresh_tokens (expires_at);

CREATE TABLE oauth_consents (
  account_id BLOB NOT NULL REFERENCES accounts (id),
  product_id BLOB NOT NULL REFERENCES products (id),
  scopes TEXT NOT NULL,
  granted_at INTEGER NOT NULL,
  PRIMARY KEY (account_id, product_id)
) STRICT;
CREATE INDEX oauth_consents_product ON oauth_consents (product_id);

CREATE TABLE oauth_device_codes (
  device_hash BLOB NOT NULL PRIMARY KEY,
  user_code TEXT NOT NULL UNIQUE,
  product_id BLOB NOT NULL REFERENCES products (id),
  details TEXT NOT NULL, -- JSON
  state TEXT NOT NULL CHECK (state IN ('waiting', 'allowed', 'denied', 'used')),
  grant_id BLOB REFERENCES oauth_grants (id) ON DELETE CASCADE,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  polled_at INTEGER,
  interval_us INTEGER NOT NULL
) STRICT;
CREATE INDEX oauth_device_codes_product ON oauth_device_codes (product_id);
CREATE INDEX oauth_device_codes_grant ON oauth_device_codes (grant_id);
CREATE INDEX oauth_device_codes_expires ON oauth_device_codes (expires_at);

-- What must not work again while it would still be valid: revoked access tokens, used proofs and assertions.
CREATE TABLE oauth_spent (
  hash BLOB NOT NULL PRIMARY KEY,
  expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX oauth_spent_expires ON oauth_spent (expires_at);
