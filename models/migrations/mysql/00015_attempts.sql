-- +goose Up

-- Sign-ins that wait for their second factor. Half a sign-in is a kind of object of its own and opens nothing.
CREATE TABLE IF NOT EXISTS signin_attempts (
    id            BINARY(16) NOT NULL,
    user_id       BINARY(16) NOT NULL,
    handle_hash   BINARY(32) NOT NULL,
    done          VARCHAR(128) NOT NULL,
    amr           VARCHAR(128) NOT NULL,
    web           BIGINT NOT NULL,
    must_change   BIGINT NOT NULL,
    session_epoch BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    finished_at   BIGINT,
    PRIMARY KEY (id),
    UNIQUE KEY signin_attempts_handle_hash (handle_hash),
    KEY signin_attempts_by_expires_at (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Seeds of authenticator apps that no code has confirmed yet: one a person, the newest.
CREATE TABLE IF NOT EXISTS totp_enrolments (
    user_id    BINARY(16) NOT NULL,
    id         BINARY(16) NOT NULL,
    seed       VARBINARY(512) NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS totp_enrolments;
DROP TABLE IF EXISTS signin_attempts;
