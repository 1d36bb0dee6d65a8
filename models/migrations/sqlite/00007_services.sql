-- +goose Up

-- Programs that check our tokens, and the credential of each.
CREATE TABLE IF NOT EXISTS services (
    id           BLOB NOT NULL,
    name         TEXT NOT NULL,
    secret_hash  BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    disabled_at  INTEGER,
    last_seen_at INTEGER,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS services_by_name ON services (name);
CREATE UNIQUE INDEX IF NOT EXISTS services_by_secret_hash ON services (secret_hash);

-- Running instances of services that follow the revocation log.
CREATE TABLE IF NOT EXISTS followers (
    id            BLOB NOT NULL,
    service_id    BLOB NOT NULL,
    mode          TEXT NOT NULL,
    bound         INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS followers_by_service_id ON followers (service_id);
CREATE INDEX IF NOT EXISTS followers_by_seen_at ON followers (seen_at);

-- +goose Down

DROP TABLE IF EXISTS followers;
DROP TABLE IF EXISTS services;
