-- How many cells of each half are in each state, over all organizations: the provider's overview reads these few rows
-- instead of counting every cell. Kept beside each cell's change, counted anew by the nightly full run.
CREATE TABLE matrix_counts (
  duty TEXT NOT NULL,
  side TEXT NOT NULL CHECK (side IN ('provider', 'customer')),
  state TEXT NOT NULL,
  must_act TEXT NOT NULL CHECK (must_act IN ('nobody', 'provider', 'customer', 'both')),
  cells INTEGER NOT NULL,
  PRIMARY KEY (duty, side, state, must_act)
) STRICT;
INSERT INTO matrix_counts (duty, side, state, must_act, cells)
SELECT duty, side, state, must_act, count(*) FROM cells GROUP BY duty, side, state, must_act;
