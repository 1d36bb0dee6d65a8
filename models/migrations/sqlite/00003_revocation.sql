-- +goose Up

-- Endings that are not sealed yet, written in the transaction of their cause.
CREATE TABLE IF NOT EXISTS revocation_outbox (
    id       BLOB NOT NULL,
    kind     TEXT NOT NULL,
    target   BLOB NOT NULL,
    epoch    INTEGER NOT NULL,
    until_at INTEGER,
    want_ack INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

-- Sealed batches of endings. The dense primary key decides which sealer wins.
CREATE TABLE IF NOT EXISTS revocation_batches (
    seq       INTEGER NOT NULL,
    prev_hash BLOB NOT NULL,
    body      BLOB NOT NULL,
    want_ack  INTEGER NOT NULL,
    sealed_at INTEGER NOT NULL,
    PRIMARY KEY (seq)
) STRICT;

-- One row about the whole installation.
CREATE TABLE IF NOT EXISTS deployment (
    id             INTEGER NOT NULL,
    log_id         BLOB NOT NULL,
    access_ttl_max INTEGER NOT NULL,
    setup_done_at  INTEGER,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT;

-- Running server processes and their beat.
CREATE TABLE IF NOT EXISTS nodes (
    id         BLOB NOT NULL,
    boot       BLOB NOT NULL,
    beat       INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE IF EXISTS nodes;
DROP TABLE IF EXISTS deployment;
DROP TABLE IF EXISTS revocation_batches;
DROP TABLE IF EXISTS revocation_outbox;
