-- +goose Up

-- Signed checkpoints of the audit log that wait to be sent.
CREATE TABLE IF NOT EXISTS audit_checkpoints (
    id      BLOB NOT NULL,
    note    TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT;

-- +goose Down

DROP TABLE IF EXISTS audit_checkpoints;
