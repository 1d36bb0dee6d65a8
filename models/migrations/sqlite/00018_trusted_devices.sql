-- +goose Up

-- Browsers in which a second factor is not asked for until they expire.
CREATE TABLE IF NOT EXISTS trusted_devices (
    id            BLOB NOT NULL,
    user_id       BLOB NOT NULL,
    browser_hash  BLOB NOT NULL,
    session_epoch INTEGER NOT NULL,
    user_agent    TEXT NOT NULL,
    uses          INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    last_used_at  INTEGER,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS trusted_devices_browser_hash ON trusted_devices (browser_hash);
CREATE INDEX IF NOT EXISTS trusted_devices_by_user_id ON trusted_devices (user_id);
CREATE INDEX IF NOT EXISTS trusted_devices_by_expires_at ON trusted_devices (expires_at);

-- +goose Down

DROP TABLE IF EXISTS trusted_devices;
