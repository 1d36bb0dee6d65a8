-- +goose Up

-- Second factors. Signing in with them reads these tables; until then an account that has one gets no session by its
-- password alone.
CREATE TABLE IF NOT EXISTS totp_factors (
    user_id    BLOB NOT NULL,
    seed       BLOB NOT NULL,
    algorithm  TEXT NOT NULL,
    digits     INTEGER NOT NULL,
    period     INTEGER NOT NULL,
    last_step  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS passkeys (
    id              BLOB NOT NULL,
    user_id         BLOB NOT NULL,
    credential_id   BLOB NOT NULL,
    public_key      BLOB NOT NULL,
    sign_count      INTEGER NOT NULL,
    transports      TEXT NOT NULL,
    aaguid          BLOB,
    backup_eligible INTEGER NOT NULL,
    backup_state    INTEGER NOT NULL,
    rp_id           TEXT NOT NULL,
    user_handle     BLOB NOT NULL,
    name            TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER,
    PRIMARY KEY (id),
    UNIQUE (credential_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS passkeys_by_user_id ON passkeys (user_id);

CREATE TABLE IF NOT EXISTS recovery_codes (
    user_id    BLOB NOT NULL,
    position   INTEGER NOT NULL,
    hash       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (user_id, position)
) STRICT, WITHOUT ROWID;

-- The ids of accounts in the systems that they came from. A table of its own, because a column cannot be added to users
-- in a way that can be run again after it stopped half way.
CREATE TABLE IF NOT EXISTS external_ids (
    user_id     BLOB NOT NULL,
    external_id BLOB NOT NULL,
    PRIMARY KEY (user_id),
    UNIQUE (external_id)
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE IF EXISTS external_ids;
DROP TABLE IF EXISTS recovery_codes;
DROP TABLE IF EXISTS passkeys;
DROP TABLE IF EXISTS totp_factors;
