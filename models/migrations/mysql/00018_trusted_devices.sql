-- +goose Up

-- Browsers in which a second factor is not asked for until they expire.
CREATE TABLE IF NOT EXISTS trusted_devices (
    id            BINARY(16) NOT NULL,
    user_id       BINARY(16) NOT NULL,
    browser_hash  BINARY(32) NOT NULL,
    session_epoch BIGINT NOT NULL,
    user_agent    VARCHAR(512) NOT NULL,
    uses          BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    last_used_at  BIGINT,
    PRIMARY KEY (id),
    UNIQUE KEY trusted_devices_browser_hash (browser_hash),
    KEY trusted_devices_by_user_id (user_id),
    KEY trusted_devices_by_expires_at (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS trusted_devices;
