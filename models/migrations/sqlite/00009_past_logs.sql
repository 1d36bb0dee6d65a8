-- +goose Up

-- Revocation logs that were left because the database had gone back in time.
CREATE TABLE IF NOT EXISTS past_logs (
    log_id        BLOB NOT NULL,
    next_log_id   BLOB NOT NULL,
    why           TEXT NOT NULL,
    sessions_kept INTEGER NOT NULL,
    left_at       INTEGER NOT NULL,
    PRIMARY KEY (log_id)
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE IF EXISTS past_logs;
