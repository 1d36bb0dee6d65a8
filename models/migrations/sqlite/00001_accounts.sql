-- +goose Up

-- People who can sign in. Canonical names are bytes, so that no collation can equal two of them.
CREATE TABLE IF NOT EXISTS users (
    id                  BLOB NOT NULL,
    username            TEXT,
    username_key        BLOB,
    email               TEXT NOT NULL,
    email_key           BLOB NOT NULL,
    email_verified_at   INTEGER,
    name                TEXT NOT NULL,
    locale              TEXT NOT NULL,
    password_hash       TEXT NOT NULL,
    password_changed_at INTEGER,
    roles               TEXT NOT NULL,
    token_epoch         INTEGER NOT NULL,
    session_epoch       INTEGER NOT NULL,
    sign_ins            INTEGER NOT NULL,
    last_sign_in_at     INTEGER,
    disabled_at         INTEGER,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (username_key),
    UNIQUE (email_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS users_by_roles ON users (roles);

-- Sign-ups that wait for their address to be confirmed, the same row whether or not the address is taken.
CREATE TABLE IF NOT EXISTS pending_signups (
    id            BLOB NOT NULL,
    email         TEXT NOT NULL,
    email_key     BLOB NOT NULL,
    username      TEXT,
    username_key  BLOB,
    name          TEXT NOT NULL,
    locale        TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pending_signups_by_expires_at ON pending_signups (expires_at);
CREATE INDEX IF NOT EXISTS pending_signups_by_email_key ON pending_signups (email_key);

-- What a token may be issued on, in one row: read by the room tokens, joined to its own row.
CREATE VIEW IF NOT EXISTS admissions AS
SELECT id AS subject, disabled_at IS NULL AS enabled, roles, token_epoch, session_epoch FROM users;

-- +goose Down

DROP VIEW IF EXISTS admissions;
DROP TABLE IF EXISTS pending_signups;
DROP TABLE IF EXISTS users;
