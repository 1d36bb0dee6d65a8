-- +goose Up

-- Personal access tokens. A living one holds one of its owner's slots, so that the unique key bounds how many there are.
CREATE TABLE IF NOT EXISTS personal_tokens (
    id            BLOB NOT NULL,
    user_id       BLOB NOT NULL,
    slot          INTEGER,
    token_hash    BLOB NOT NULL,
    name          TEXT NOT NULL,
    scope         TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    last_used_at  INTEGER,
    last_used_ip  TEXT NOT NULL,
    last_used_via TEXT NOT NULL,
    ended_at      INTEGER,
    ended_why     TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS personal_tokens_by_token_hash ON personal_tokens (token_hash);
CREATE UNIQUE INDEX IF NOT EXISTS personal_tokens_by_slot ON personal_tokens (user_id, slot);
CREATE INDEX IF NOT EXISTS personal_tokens_by_expires_at ON personal_tokens (expires_at);

-- +goose Down

DROP TABLE IF EXISTS personal_tokens;
