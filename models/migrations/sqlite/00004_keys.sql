-- +goose Up

-- Signing keys and MAC secrets; the private half is sealed and bound to its row.
CREATE TABLE IF NOT EXISTS signing_keys (
    kid        TEXT NOT NULL,
    purpose    TEXT NOT NULL,
    alg        TEXT NOT NULL,
    state      TEXT NOT NULL,
    public     BLOB NOT NULL,
    private    BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    signs_from INTEGER,
    retired_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (kid)
) STRICT, WITHOUT ROWID;

-- Which key of a purpose is in use. Its primary key and conditional updates
-- let exactly one of several nodes put a key there.
CREATE TABLE IF NOT EXISTS key_slots (
    purpose    TEXT NOT NULL,
    kid        TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (purpose)
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE IF EXISTS key_slots;

DROP TABLE IF EXISTS signing_keys;
