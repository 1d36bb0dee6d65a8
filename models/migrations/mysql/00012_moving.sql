-- +goose Up

-- Second factors. Signing in with them reads these tables; until then an account that has one gets no session by its
-- password alone.
CREATE TABLE IF NOT EXISTS totp_factors (
    user_id    BINARY(16) NOT NULL,
    seed       VARBINARY(512) NOT NULL,
    algorithm  VARCHAR(16) NOT NULL,
    digits     INT NOT NULL,
    period     INT NOT NULL,
    last_step  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS passkeys (
    id              BINARY(16) NOT NULL,
    user_id         BINARY(16) NOT NULL,
    credential_id   VARBINARY(1023) NOT NULL,
    public_key      VARBINARY(2048) NOT NULL,
    sign_count      BIGINT NOT NULL,
    transports      VARCHAR(128) NOT NULL,
    aaguid          BINARY(16),
    backup_eligible BIGINT NOT NULL,
    backup_state    BIGINT NOT NULL,
    rp_id           VARCHAR(255) NOT NULL,
    user_handle     VARBINARY(64) NOT NULL,
    name            VARCHAR(512) NOT NULL,
    created_at      BIGINT NOT NULL,
    last_used_at    BIGINT,
    PRIMARY KEY (id),
    UNIQUE KEY passkeys_credential_id (credential_id),
    KEY passkeys_by_user_id (user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS recovery_codes (
    user_id    BINARY(16) NOT NULL,
    position   INT NOT NULL,
    hash       VARCHAR(512) NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT,
    PRIMARY KEY (user_id, position)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The ids of accounts in the systems that they came from. A table of its own, because a column cannot be added to users
-- in a way that can be run again after it stopped half way.
CREATE TABLE IF NOT EXISTS external_ids (
    user_id     BINARY(16) NOT NULL,
    external_id VARBINARY(255) NOT NULL,
    PRIMARY KEY (user_id),
    UNIQUE KEY external_ids_external_id (external_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS external_ids;
DROP TABLE IF EXISTS recovery_codes;
DROP TABLE IF EXISTS passkeys;
DROP TABLE IF EXISTS totp_factors;
