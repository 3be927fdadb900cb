-- Nobody signs in to a disabled account.
ALTER TABLE users ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1));

-- Users whose row is deleted and whose factors must still be erased: the process ended in between.
CREATE TABLE erasures (
    user_id INTEGER NOT NULL PRIMARY KEY
) STRICT;
