-- +goose Up

-- Endings that are not sealed yet, written in the transaction of their cause.
CREATE TABLE IF NOT EXISTS revocation_outbox (
    id       BINARY(16) NOT NULL,
    kind     VARCHAR(16) NOT NULL,
    target   VARBINARY(64) NOT NULL,
    epoch    BIGINT NOT NULL,
    until_at BIGINT,
    want_ack BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Sealed batches of endings. The dense primary key decides which sealer wins.
CREATE TABLE IF NOT EXISTS revocation_batches (
    seq       BIGINT NOT NULL,
    prev_hash BINARY(32) NOT NULL,
    body      MEDIUMBLOB NOT NULL,
    want_ack  BIGINT NOT NULL,
    sealed_at BIGINT NOT NULL,
    PRIMARY KEY (seq)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row about the whole installation.
CREATE TABLE IF NOT EXISTS deployment (
    id             BIGINT NOT NULL,
    log_id         BINARY(16) NOT NULL,
    access_ttl_max BIGINT NOT NULL,
    setup_done_at  BIGINT,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Running server processes and their beat.
CREATE TABLE IF NOT EXISTS nodes (
    id         BINARY(16) NOT NULL,
    boot       BINARY(16) NOT NULL,
    beat       BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS nodes;
DROP TABLE IF EXISTS deployment;
DROP TABLE IF EXISTS revocation_batches;
DROP TABLE IF EXISTS revocation_outbox;
