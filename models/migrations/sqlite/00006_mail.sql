-- +goose Up

-- Mail that waits, was sent or failed. The body is sealed and blanked after sending.
CREATE TABLE IF NOT EXISTS mail_outbox (
    id            BLOB NOT NULL,
    purpose       TEXT NOT NULL,
    recipient     TEXT NOT NULL,
    recipient_key BLOB NOT NULL,
    locale        TEXT NOT NULL,
    body          BLOB,
    state         TEXT NOT NULL,
    attempts      INTEGER NOT NULL,
    next_at       INTEGER NOT NULL,
    last_error    TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    sent_at       INTEGER,
    PRIMARY KEY (id)
) STRICT;
CREATE INDEX IF NOT EXISTS mail_outbox_by_state_next_at ON mail_outbox (state, next_at);
CREATE INDEX IF NOT EXISTS mail_outbox_by_recipient_key_created_at ON mail_outbox (recipient_key, created_at);

-- +goose Down

DROP TABLE IF EXISTS mail_outbox;
