-- +goose Up

-- Sign-ins that wait for their second factor. Half a sign-in is a kind of object of its own and opens nothing.
CREATE TABLE IF NOT EXISTS signin_attempts (
    id            BLOB NOT NULL,
    user_id       BLOB NOT NULL,
    handle_hash   BLOB NOT NULL,
    done          TEXT NOT NULL,
    amr           TEXT NOT NULL,
    web           INTEGER NOT NULL,
    must_change   INTEGER NOT NULL,
    session_epoch INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    finished_at   INTEGER,
    PRIMARY KEY (id),
    UNIQUE (handle_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS signin_attempts_by_expires_at ON signin_attempts (expires_at);

-- Seeds of authenticator apps that no code has confirmed yet: one a person, the newest.
CREATE TABLE IF NOT EXISTS totp_enrolments (
    user_id    BLOB NOT NULL,
    id         BLOB NOT NULL,
    seed       BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id)
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE IF EXISTS totp_enrolments;
DROP TABLE IF EXISTS signin_attempts;
