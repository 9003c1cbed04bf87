-- Figures of use: one row for each organization and day. The current day's is counted anew every half hour; the day before
-- gets its last sign-ins when the next one begins. Derived: nothing here was decided by anybody.
CREATE TABLE insight_days (
  organization_id BLOB NOT NULL REFERENCES organizations (id),
  day INTEGER NOT NULL, -- when it begins, UTC
  people INTEGER NOT NULL, -- with access: an active membership and an active account
  active_day INTEGER NOT NULL, -- of them, seen in the 24 hours before the count,
  active_week INTEGER NOT NULL, -- in the 7 days,
  active_month INTEGER NOT NULL, -- in the 30 days
  sign_ins INTEGER NOT NULL, -- of them, on this day
  second_factor INTEGER NOT NULL,
  passkey INTEGER NOT NULL,
  single_sign_on INTEGER NOT NULL,
  enforced INTEGER NOT NULL, -- a policy lets them in through an identity provider alone
  managed INTEGER NOT NULL,
  outside INTEGER NOT NULL,
  invited INTEGER NOT NULL, -- open invitations
  counted_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, day)
) STRICT;
CREATE INDEX insight_days_day ON insight_days (day, organization_id);

-- People of an organization who signed in to a product.
CREATE TABLE insight_products (
  organization_id BLOB NOT NULL,
  day INTEGER NOT NULL,
  product_id BLOB NOT NULL REFERENCES products (id),
  active_week INTEGER NOT NULL,
  active_month INTEGER NOT NULL,
  PRIMARY KEY (organization_id, day, product_id),
  FOREIGN KEY (organization_id, day) REFERENCES insight_days (organization_id, day) ON DELETE CASCADE
) STRICT;
CREATE INDEX insight_products_product ON insight_products (product_id);

-- The same over all customers, written when a count has come through all of them.
CREATE TABLE insight_totals (
  day INTEGER NOT NULL PRIMARY KEY,
  organizations INTEGER NOT NULL,
  people INTEGER NOT NULL,
  active_day INTEGER NOT NULL,
  active_week INTEGER NOT NULL,
  active_month INTEGER NOT NULL,
  sign_ins INTEGER NOT NULL,
  second_factor INTEGER NOT NULL,
  single_sign_on INTEGER NOT NULL,
  counted_at INTEGER NOT NULL
) STRICT;
