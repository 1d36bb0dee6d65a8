-- +goose Up

-- Signing keys and MAC secrets; the private half is sealed and bound to its row.
CREATE TABLE IF NOT EXISTS signing_keys (
    kid        VARCHAR(64) NOT NULL,
    purpose    VARCHAR(32) NOT NULL,
    alg        VARCHAR(16) NOT NULL,
    state      VARCHAR(16) NOT NULL,
    public     MEDIUMBLOB NOT NULL,
    private    MEDIUMBLOB NOT NULL,
    created_at BIGINT NOT NULL,
    signs_from BIGINT,
    retired_at BIGINT,
    revoked_at BIGINT,
    PRIMARY KEY (kid)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Which key of a purpose is in use. Its primary key and conditional updates
-- let exactly one of several nodes put a key there.
CREATE TABLE IF NOT EXISTS key_slots (
    purpose    VARCHAR(32) NOT NULL,
    kid        VARCHAR(64) NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (purpose)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS key_slots;

DROP TABLE IF EXISTS signing_keys;
