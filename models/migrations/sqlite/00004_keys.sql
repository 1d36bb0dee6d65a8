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

-- +goose Down

DROP TABLE IF EXISTS signing_keys;
