-- +goose Up

-- Revocation logs that were left because the database had gone back in time.
CREATE TABLE IF NOT EXISTS past_logs (
    log_id        BINARY(16) NOT NULL,
    next_log_id   BINARY(16) NOT NULL,
    why           VARCHAR(64) NOT NULL,
    sessions_kept TINYINT NOT NULL,
    left_at       BIGINT NOT NULL,
    PRIMARY KEY (log_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS past_logs;
