-- +goose Up

-- Names that their last owner may still take back, and nobody else may have.
CREATE TABLE IF NOT EXISTS reserved_names (
    kind     VARCHAR(16) NOT NULL,
    name_key VARBINARY(1024) NOT NULL,
    user_id  BINARY(16) NOT NULL,
    until    BIGINT NOT NULL,
    PRIMARY KEY (kind, name_key),
    KEY reserved_names_by_user_id (user_id),
    KEY reserved_names_by_until (until)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Changes of an address: begun, confirmed from the new one, taken back from the old one.
CREATE TABLE IF NOT EXISTS email_changes (
    id            BINARY(16) NOT NULL,
    user_id       BINARY(16) NOT NULL,
    email         VARCHAR(320) NOT NULL,
    email_key     VARBINARY(1024) NOT NULL,
    old_email     VARCHAR(320) NOT NULL,
    old_email_key VARBINARY(1024) NOT NULL,
    created_at    BIGINT NOT NULL,
    changed_at    BIGINT,
    undone_at     BIGINT,
    expires_at    BIGINT NOT NULL,
    PRIMARY KEY (id),
    KEY email_changes_by_user_id (user_id),
    KEY email_changes_by_expires_at (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Marks of the devices that a person has signed in from.
CREATE TABLE IF NOT EXISTS known_devices (
    user_id    BINARY(16) NOT NULL,
    marks      VARBINARY(512) NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS known_devices;
DROP TABLE IF EXISTS email_changes;
DROP TABLE IF EXISTS reserved_names;
