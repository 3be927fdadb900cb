-- AUTOINCREMENT: the id of a deleted account is never given to another one, whose factors it would inherit.
CREATE TABLE users (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    email          TEXT    NOT NULL,
    email_key      TEXT    NOT NULL UNIQUE,
    email_verified INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
    name           TEXT    NOT NULL,
    password_hash  TEXT    NOT NULL,
    is_admin       INTEGER NOT NULL DEFAULT 0 CHECK (is_admin IN (0, 1)),
    created_at     INTEGER NOT NULL
) STRICT;

-- Only a digest of a session's id is kept: who reads the table can take over no session.
CREATE TABLE sessions (
    digest     BLOB    NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    proved     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The company's settings: one row, and none before the administrator has decided.
CREATE TABLE settings (
    id                 INTEGER PRIMARY KEY CHECK (id = 1),
    enforce            INTEGER NOT NULL CHECK (enforce IN (0, 1)),
    app                INTEGER NOT NULL CHECK (app IN (0, 1)),
    email              INTEGER NOT NULL CHECK (email IN (0, 1)),
    combine            TEXT    NOT NULL CHECK (combine IN ('any', 'all')),
    email_fallback     INTEGER NOT NULL CHECK (email_fallback IN (0, 1)),
    first_registration TEXT    NOT NULL CHECK (first_registration IN ('after_password', 'after_email_code', 'with_ticket'))
) STRICT;

-- Mail that was not sent: the mailbox of a development machine.
CREATE TABLE mails (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    body_text TEXT    NOT NULL,
    body_html TEXT    NOT NULL,
    sent_at   INTEGER NOT NULL
) STRICT;
