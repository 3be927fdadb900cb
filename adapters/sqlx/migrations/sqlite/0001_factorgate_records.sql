-- One sealed record for each user. It is readable only with the server key.
CREATE TABLE IF NOT EXISTS factorgate_records (
    user_id TEXT NOT NULL COLLATE BINARY PRIMARY KEY,
    version INTEGER NOT NULL,
    record BLOB NOT NULL
) STRICT, WITHOUT ROWID;
