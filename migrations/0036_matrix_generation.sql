-- Counts the transactions that wrote cells: who looked in a snapshot sees whether somebody wrote since.
ALTER TABLE matrix_engine ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
