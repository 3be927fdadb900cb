-- A session is what was proved, as the claims say, and the engine is asked whether they hold. Sessions of before have
-- none: their users sign in again.
DROP TABLE sessions;
CREATE TABLE sessions (
    digest     BLOB    NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    claims     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE settings ADD COLUMN trusted_browsers INTEGER NOT NULL DEFAULT 0 CHECK (trusted_browsers IN (0, 1));
ALTER TABLE settings ADD COLUMN grace_days INTEGER CHECK (grace_days BETWEEN 1 AND 90);

-- The audit log. It holds no secret, no code and no address.
CREATE TABLE events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    words   TEXT    NOT NULL
) STRICT;
