-- +goose Up

-- Who did what. Rows commit with their cause and are linked afterwards.
CREATE TABLE IF NOT EXISTS audit_events (
    id         BINARY(16) NOT NULL,
    batch      BIGINT,
    at         BIGINT NOT NULL,
    action     VARCHAR(64) NOT NULL,
    outcome    VARCHAR(16) NOT NULL,
    reason     VARCHAR(64) NOT NULL,
    actor_id   BINARY(16),
    subject_id BINARY(16),
    session_id BINARY(16),
    client_id  VARCHAR(64) NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    detail     MEDIUMBLOB,
    personal   MEDIUMBLOB,
    salt       VARBINARY(32) NOT NULL,
    commitment BINARY(32) NOT NULL,
    PRIMARY KEY (id),
    KEY audit_events_by_batch (batch),
    KEY audit_events_by_subject_id (subject_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The chain over the events.
CREATE TABLE IF NOT EXISTS audit_batches (
    seq       BIGINT NOT NULL,
    prev_hash BINARY(32) NOT NULL,
    hash      BINARY(32) NOT NULL,
    body      MEDIUMBLOB NOT NULL,
    sealed_at BIGINT NOT NULL,
    PRIMARY KEY (seq)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS audit_batches;
DROP TABLE IF EXISTS audit_events;
