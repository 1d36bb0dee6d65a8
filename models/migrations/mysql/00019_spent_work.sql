-- +goose Up

-- Proofs of work, and the waits that stand for them, that were used: each row
-- is one that is not good for a second time.
CREATE TABLE IF NOT EXISTS spent_work (
    id         BINARY(16) NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (id),
    KEY spent_work_expires_at (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS spent_work;
