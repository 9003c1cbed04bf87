-- How a SAML provider wrote the NameID of a session, without its value: a sign-out there must name it in the same words. JSON.
ALTER TABLE sessions ADD COLUMN upstream_name TEXT;
ALTER TABLE pending_sign_ins ADD COLUMN upstream_name TEXT;
