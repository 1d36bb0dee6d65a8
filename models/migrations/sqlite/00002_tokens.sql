-- +goose Up

-- Sessions of browsers (cookie_hash is set) and of programs. A row without user_id is an anonymous browser.
CREATE TABLE IF NOT EXISTS sessions (
    id             BLOB NOT NULL,
    cookie_hash    BLOB,
    user_id        BLOB,
    client_id      TEXT NOT NULL,
    session_epoch  INTEGER NOT NULL,
    auth_time      INTEGER,
    acr            TEXT NOT NULL,
    amr            TEXT NOT NULL,
    ip             TEXT NOT NULL,
    user_agent     TEXT NOT NULL,
    data           BLOB,
    created_at     INTEGER NOT NULL,
    last_seen_at   INTEGER NOT NULL,
    idle_until     INTEGER NOT NULL,
    absolute_until INTEGER NOT NULL,
    ended_at       INTEGER,
    ended_why      TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (cookie_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_by_user_id ON sessions (user_id);
CREATE INDEX IF NOT EXISTS sessions_by_absolute_until ON sessions (absolute_until);

-- Refresh token families: one row a line of tokens, however often it is rotated.
CREATE TABLE IF NOT EXISTS refresh_families (
    id             BLOB NOT NULL,
    session_id     BLOB NOT NULL,
    user_id        BLOB NOT NULL,
    client_id      TEXT NOT NULL,
    scope          TEXT NOT NULL,
    audience       TEXT NOT NULL,
    generation     INTEGER NOT NULL,
    cur_hash       BLOB NOT NULL,
    recent         BLOB,
    created_at     INTEGER NOT NULL,
    idle_until     INTEGER NOT NULL,
    absolute_until INTEGER NOT NULL,
    ended_at       INTEGER,
    ended_why      TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS refresh_families_by_session_id ON refresh_families (session_id);
CREATE INDEX IF NOT EXISTS refresh_families_by_user_id ON refresh_families (user_id);
CREATE INDEX IF NOT EXISTS refresh_families_by_absolute_until ON refresh_families (absolute_until);

-- Mailed links and codes. The kind is part of every key; a row is consumed by one conditional UPDATE.
CREATE TABLE IF NOT EXISTS one_time_tokens (
    id              BLOB NOT NULL,
    kind            TEXT NOT NULL,
    subject         BLOB,
    token_hash      BLOB,
    attempt_hash    BLOB,
    code_mac        BLOB,
    code_tries      INTEGER NOT NULL,
    code_expires_at INTEGER,
    expires_at      INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    used_at         INTEGER,
    PRIMARY KEY (id),
    UNIQUE (kind, token_hash),
    UNIQUE (kind, attempt_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS one_time_tokens_by_expires_at ON one_time_tokens (expires_at);
CREATE INDEX IF NOT EXISTS one_time_tokens_by_subject ON one_time_tokens (subject);

-- Tries of one account and factor.
CREATE TABLE IF NOT EXISTS throttle_counters (
    bucket     BLOB NOT NULL,
    tries      INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (bucket)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS throttle_counters_by_updated_at ON throttle_counters (updated_at);

-- +goose Down

DROP TABLE IF EXISTS throttle_counters;
DROP TABLE IF EXISTS one_time_tokens;
DROP TABLE IF EXISTS refresh_families;
DROP TABLE IF EXISTS sessions;
