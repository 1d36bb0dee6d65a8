-- +goose Up

-- Programs that check our tokens, and the credential of each.
CREATE TABLE IF NOT EXISTS services (
    id           BINARY(16) NOT NULL,
    name         VARCHAR(64) NOT NULL,
    secret_hash  BINARY(32) NOT NULL,
    created_at   BIGINT NOT NULL,
    disabled_at  BIGINT,
    last_seen_at BIGINT,
    PRIMARY KEY (id),
    UNIQUE KEY services_by_name (name),
    UNIQUE KEY services_by_secret_hash (secret_hash)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Running instances of services that follow the revocation log.
CREATE TABLE IF NOT EXISTS followers (
    id            BINARY(16) NOT NULL,
    service_id    BINARY(16) NOT NULL,
    mode          VARCHAR(16) NOT NULL,
    bound         BIGINT NOT NULL,
    registered_at BIGINT NOT NULL,
    seen_at       BIGINT NOT NULL,
    PRIMARY KEY (id),
    KEY followers_by_service_id (service_id),
    KEY followers_by_seen_at (seen_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS followers;
DROP TABLE IF EXISTS services;
