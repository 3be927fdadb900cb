-- Counts the passwords that the user has had. Sessions and sign-ins are bound to it, so that they end with the password.
ALTER TABLE users ADD COLUMN password_version INTEGER NOT NULL DEFAULT 1;
DELETE FROM sessions;
