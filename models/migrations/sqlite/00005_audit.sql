-- +goose Up

-- Who did what. Rows commit with their cause and are linked afterwards.
CREATE TABLE IF NOT EXISTS audit_events (
    id         BLOB NOT NULL,
    batch      INTEGER,
    at         INTEGER NOT NULL,
    action     TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    reason     TEXT NOT NULL,
    actor_id   BLOB,
    subject_id BLOB,
    session_id BLOB,
    client_id  TEXT NOT NULL,
    request_id TEXT NOT NULL,
    detail     BLOB,
    personal   BLOB,
    salt       BLOB NOT NULL,
    commitment BLOB NOT NULL,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX IF NOT EXISTS audit_events_by_batch ON audit_events (batch);
CREATE INDEX IF NOT EXISTS audit_events_by_subject_id ON audit_events (subject_id);

-- The chain over the events.
CREATE TABLE IF NOT EXISTS audit_batches (
    seq       INTEGER NOT NULL,
    prev_hash BLOB NOT NULL,
    hash      BLOB NOT NULL,
    body      BLOB NOT NULL,
    sealed_at INTEGER NOT NULL,
    PRIMARY KEY (seq)
) STRICT;

-- +goose Down

DROP TABLE IF EXISTS audit_batches;
DROP TABLE IF EXISTS audit_events;
