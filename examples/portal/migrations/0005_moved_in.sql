-- Who brought a second factor along from another system: their recovery codes are spelled as that system spells them.
ALTER TABLE users ADD COLUMN moved_in INTEGER NOT NULL DEFAULT 0 CHECK (moved_in IN (0, 1));
