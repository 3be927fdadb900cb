CREATE TABLE groups (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT    NOT NULL UNIQUE COLLATE NOCASE
) STRICT;

CREATE TABLE memberships (
    user_id  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, group_id)
) STRICT, WITHOUT ROWID;

-- What the administrator has decided: for the company, for a group, for one user. A user is judged by all that apply.
CREATE TABLE policies (
    scope              TEXT    PRIMARY KEY
                               CHECK (scope = 'company' OR scope GLOB 'group-[0-9]*' OR scope GLOB 'user-[0-9]*'),
    enforce            INTEGER NOT NULL CHECK (enforce IN (0, 1)),
    app                INTEGER NOT NULL CHECK (app IN (0, 1)),
    email              INTEGER NOT NULL CHECK (email IN (0, 1)),
    passkey            INTEGER NOT NULL CHECK (passkey IN (0, 1)),
    combine            TEXT    NOT NULL CHECK (combine IN ('any', 'all')),
    email_fallback     INTEGER NOT NULL CHECK (email_fallback IN (0, 1)),
    passkey_stands_in  INTEGER NOT NULL CHECK (passkey_stands_in IN (0, 1)),
    trusted_browsers   INTEGER NOT NULL CHECK (trusted_browsers IN (0, 1)),
    grace_days         INTEGER CHECK (grace_days BETWEEN 1 AND 90),
    first_registration TEXT    NOT NULL CHECK (first_registration IN ('after_password', 'after_email_code', 'with_ticket'))
) STRICT, WITHOUT ROWID;
INSERT INTO policies
    SELECT 'company', enforce, app, email, passkey, combine, email_fallback, passkey_stands_in, trusted_browsers,
           grace_days, first_registration
    FROM settings;
DROP TABLE settings;
