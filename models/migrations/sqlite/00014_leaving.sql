-- +goose Up

-- When an account that is being closed is erased. Until then it may have no
-- session, code or token, which is why it is not "enabled" in the view.
ALTER TABLE users ADD COLUMN erase_at INTEGER;
CREATE INDEX IF NOT EXISTS users_by_erase_at ON users (erase_at);
DROP VIEW IF EXISTS admissions;
CREATE VIEW admissions AS
SELECT id AS subject, disabled_at IS NULL AND erase_at IS NULL AS enabled, roles, token_epoch, session_epoch FROM users;

-- Invitations. The id becomes that of the account.
CREATE TABLE IF NOT EXISTS invitations (
    id           BLOB NOT NULL,
    email        TEXT NOT NULL,
    email_key    BLOB NOT NULL,
    roles        TEXT NOT NULL,
    locale       TEXT NOT NULL,
    invited_by   BLOB,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    accepted_at  INTEGER,
    withdrawn_at INTEGER,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS invitations_by_email_key ON invitations (email_key);
CREATE INDEX IF NOT EXISTS invitations_by_expires_at ON invitations (expires_at);

-- +goose Down

DROP TABLE IF EXISTS invitations;
DROP VIEW IF EXISTS admissions;
CREATE VIEW admissions AS
SELECT id AS subject, disabled_at IS NULL AS enabled, roles, token_epoch, session_epoch FROM users;
DROP INDEX IF EXISTS users_by_erase_at;
ALTER TABLE users DROP COLUMN erase_at;
