-- What passkeys are checked with: public keys, and nothing secret. No two accounts have one credential.
CREATE TABLE passkeys (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credential_id BLOB    NOT NULL UNIQUE,
    credential    TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    added_at      INTEGER NOT NULL,
    used_at       INTEGER
) STRICT;

ALTER TABLE settings ADD COLUMN passkey INTEGER NOT NULL DEFAULT 0 CHECK (passkey IN (0, 1));
ALTER TABLE settings ADD COLUMN passkey_stands_in INTEGER NOT NULL DEFAULT 0 CHECK (passkey_stands_in IN (0, 1));
