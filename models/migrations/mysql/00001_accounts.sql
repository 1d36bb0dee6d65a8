-- +goose Up

-- People who can sign in. Canonical names are bytes, so that no collation can equal two of them.
CREATE TABLE IF NOT EXISTS users (
    id                  BINARY(16) NOT NULL,
    username            VARCHAR(128),
    username_key        VARBINARY(512),
    email               VARCHAR(320) NOT NULL,
    email_key           VARBINARY(1024) NOT NULL,
    email_verified_at   BIGINT,
    name                VARCHAR(512) NOT NULL,
    locale              VARCHAR(35) NOT NULL,
    password_hash       VARCHAR(1024) NOT NULL,
    password_changed_at BIGINT,
    roles               VARCHAR(512) NOT NULL,
    token_epoch         BIGINT NOT NULL,
    session_epoch       BIGINT NOT NULL,
    sign_ins            BIGINT NOT NULL,
    last_sign_in_at     BIGINT,
    disabled_at         BIGINT,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY users_username_key (username_key),
    UNIQUE KEY users_email_key (email_key),
    KEY users_by_roles (roles)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Sign-ups that wait for their address to be confirmed, the same row whether or not the address is taken.
CREATE TABLE IF NOT EXISTS pending_signups (
    id            BINARY(16) NOT NULL,
    email         VARCHAR(320) NOT NULL,
    email_key     VARBINARY(1024) NOT NULL,
    username      VARCHAR(128),
    username_key  VARBINARY(512),
    name          VARCHAR(512) NOT NULL,
    locale        VARCHAR(35) NOT NULL,
    password_hash VARCHAR(1024) NOT NULL,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    PRIMARY KEY (id),
    KEY pending_signups_by_expires_at (expires_at),
    KEY pending_signups_by_email_key (email_key)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What a token may be issued on, in one row: read by the room tokens, joined to its own row.
CREATE OR REPLACE VIEW admissions AS
SELECT id AS subject, disabled_at IS NULL AS enabled, roles, token_epoch, session_epoch FROM users;

-- +goose Down

DROP VIEW IF EXISTS admissions;
DROP TABLE IF EXISTS pending_signups;
DROP TABLE IF EXISTS users;
