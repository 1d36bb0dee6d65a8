-- +goose Up

-- Challenges that a browser was given and has not answered yet. The kind is part of the key, so that an answer to one
-- ceremony is none to another.
CREATE TABLE IF NOT EXISTS passkey_ceremonies (
    kind           TEXT NOT NULL,
    challenge_hash BLOB NOT NULL,
    bound_hash     BLOB NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    used_at        INTEGER,
    PRIMARY KEY (kind, challenge_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS passkey_ceremonies_by_expires_at ON passkey_ceremonies (expires_at);

-- When somebody without a passkey was last offered one.
CREATE TABLE IF NOT EXISTS passkey_offers (
    user_id    BLOB NOT NULL,
    offered_at INTEGER NOT NULL,
    PRIMARY KEY (user_id)
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE IF EXISTS passkey_offers;
DROP TABLE IF EXISTS passkey_ceremonies;
