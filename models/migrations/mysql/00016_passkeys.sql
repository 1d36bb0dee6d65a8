-- +goose Up

-- Challenges that a browser was given and has not answered yet. The kind is part of the key, so that an answer to one
-- ceremony is none to another.
CREATE TABLE IF NOT EXISTS passkey_ceremonies (
    kind           VARCHAR(32) NOT NULL,
    challenge_hash BINARY(32) NOT NULL,
    bound_hash     BINARY(32) NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    used_at        BIGINT,
    PRIMARY KEY (kind, challenge_hash),
    KEY passkey_ceremonies_by_expires_at (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- When somebody without a passkey was last offered one.
CREATE TABLE IF NOT EXISTS passkey_offers (
    user_id    BINARY(16) NOT NULL,
    offered_at BIGINT NOT NULL,
    PRIMARY KEY (user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS passkey_offers;
DROP TABLE IF EXISTS passkey_ceremonies;
