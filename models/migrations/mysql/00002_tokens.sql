-- +goose Up

-- Sessions of browsers (cookie_hash is set) and of programs. A row without user_id is an anonymous browser.
CREATE TABLE IF NOT EXISTS sessions (
    id             BINARY(16) NOT NULL,
    cookie_hash    BINARY(32),
    user_id        BINARY(16),
    client_id      VARCHAR(64) NOT NULL,
    session_epoch  BIGINT NOT NULL,
    auth_time      BIGINT,
    acr            VARCHAR(32) NOT NULL,
    amr            VARCHAR(128) NOT NULL,
    ip             VARCHAR(45) NOT NULL,
    user_agent     VARCHAR(512) NOT NULL,
    data           MEDIUMBLOB,
    created_at     BIGINT NOT NULL,
    last_seen_at   BIGINT NOT NULL,
    idle_until     BIGINT NOT NULL,
    absolute_until BIGINT NOT NULL,
    ended_at       BIGINT,
    ended_why      VARCHAR(64) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY sessions_cookie_hash (cookie_hash),
    KEY sessions_by_user_id (user_id),
    KEY sessions_by_absolute_until (absolute_until)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Refresh token families: one row a line of tokens, however often it is rotated.
CREATE TABLE IF NOT EXISTS refresh_families (
    id             BINARY(16) NOT NULL,
    session_id     BINARY(16) NOT NULL,
    user_id        BINARY(16) NOT NULL,
    client_id      VARCHAR(64) NOT NULL,
    scope          VARCHAR(512) NOT NULL,
    audience       VARCHAR(512) NOT NULL,
    generation     BIGINT NOT NULL,
    cur_hash       BINARY(32) NOT NULL,
    recent         MEDIUMBLOB,
    created_at     BIGINT NOT NULL,
    idle_until     BIGINT NOT NULL,
    absolute_until BIGINT NOT NULL,
    ended_at       BIGINT,
    ended_why      VARCHAR(64) NOT NULL,
    PRIMARY KEY (id),
    KEY refresh_families_by_session_id (session_id),
    KEY refresh_families_by_user_id (user_id),
    KEY refresh_families_by_absolute_until (absolute_until)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Mailed links and codes. The kind is part of every key; a row is consumed by one conditional UPDATE.
CREATE TABLE IF NOT EXISTS one_time_tokens (
    id              BINARY(16) NOT NULL,
    kind            VARCHAR(32) NOT NULL,
    subject         BINARY(16),
    token_hash      BINARY(32),
    attempt_hash    BINARY(32),
    code_mac        BINARY(32),
    code_tries      BIGINT NOT NULL,
    code_expires_at BIGINT,
    expires_at      BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    used_at         BIGINT,
    PRIMARY KEY (id),
    UNIQUE KEY one_time_tokens_kind_token_hash (kind, token_hash),
    UNIQUE KEY one_time_tokens_kind_attempt_hash (kind, attempt_hash),
    KEY one_time_tokens_by_expires_at (expires_at),
    KEY one_time_tokens_by_subject (subject)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Tries of one account and factor.
CREATE TABLE IF NOT EXISTS throttle_counters (
    bucket     BINARY(32) NOT NULL,
    tries      BIGINT NOT NULL,
    next_at    BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (bucket),
    KEY throttle_counters_by_updated_at (updated_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS throttle_counters;
DROP TABLE IF EXISTS one_time_tokens;
DROP TABLE IF EXISTS refresh_families;
DROP TABLE IF EXISTS sessions;
