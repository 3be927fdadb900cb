-- The number that the engine gives an event of a change: what happened first, although two requests write at once.
ALTER TABLE events ADD COLUMN number INTEGER;
