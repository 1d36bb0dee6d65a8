-- +goose Up

-- Proofs of work, and the waits that stand for them, that were used: each row
-- is one that is not good for a second time.
CREATE TABLE IF NOT EXISTS spent_work (
    id         BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX IF NOT EXISTS spent_work_expires_at ON spent_work (expires_at);

-- +goose Down

DROP TABLE IF EXISTS spent_work;
