-- +goose Up

-- When an account that is being closed is erased. Until then it may have no
-- session, code or token, which is why it is not "enabled" in the view. MySQL
-- commits a change of a table at once, so a server that died right after it
-- must find its work done.
SET @gatehouse = (SELECT IF(COUNT(*) > 0, 'DO 0',
    'ALTER TABLE users ADD COLUMN erase_at BIGINT, ADD KEY users_by_erase_at (erase_at)')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name = 'erase_at');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;
CREATE OR REPLACE VIEW admissions AS
SELECT id AS subject, disabled_at IS NULL AND erase_at IS NULL AS enabled, roles, token_epoch, session_epoch FROM users;

-- Invitations. The id becomes that of the account.
CREATE TABLE IF NOT EXISTS invitations (
    id           BINARY(16) NOT NULL,
    email        VARCHAR(320) NOT NULL,
    email_key    VARBINARY(1024) NOT NULL,
    roles        VARCHAR(512) NOT NULL,
    locale       VARCHAR(35) NOT NULL,
    invited_by   BINARY(16),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    accepted_at  BIGINT,
    withdrawn_at BIGINT,
    PRIMARY KEY (id),
    KEY invitations_by_email_key (email_key),
    KEY invitations_by_expires_at (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS invitations;
CREATE OR REPLACE VIEW admissions AS
SELECT id AS subject, disabled_at IS NULL AS enabled, roles, token_epoch, session_epoch FROM users;
SET @gatehouse = (SELECT IF(COUNT(*) = 0, 'DO 0', 'ALTER TABLE users DROP KEY users_by_erase_at, DROP COLUMN erase_at')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'users' AND column_name = 'erase_at');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;
