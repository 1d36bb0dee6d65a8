-- +goose Up

-- Personal access tokens. A living one holds one of its owner's slots, so that the unique key bounds how many there are.
CREATE TABLE IF NOT EXISTS personal_tokens (
    id            BINARY(16) NOT NULL,
    user_id       BINARY(16) NOT NULL,
    slot          SMALLINT,
    token_hash    BINARY(32) NOT NULL,
    name          VARCHAR(64) NOT NULL,
    scope         VARCHAR(1000) NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    last_used_at  BIGINT,
    last_used_ip  VARCHAR(45) NOT NULL,
    last_used_via VARCHAR(64) NOT NULL,
    ended_at      BIGINT,
    ended_why     VARCHAR(64) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY personal_tokens_by_token_hash (token_hash),
    UNIQUE KEY personal_tokens_by_slot (user_id, slot),
    KEY personal_tokens_by_expires_at (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS personal_tokens;
