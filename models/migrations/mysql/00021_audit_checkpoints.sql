-- +goose Up

-- Signed checkpoints of the audit log that wait to be sent.
CREATE TABLE IF NOT EXISTS audit_checkpoints (
    id      BINARY(16) NOT NULL,
    note    TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS audit_checkpoints;
