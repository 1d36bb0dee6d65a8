-- +goose Up

-- Names that their last owner may still take back, and nobody else may have.
CREATE TABLE IF NOT EXISTS reserved_names (
    kind     TEXT NOT NULL,
    name_key BLOB NOT NULL,
    user_id  BLOB NOT NULL,
    until    INTEGER NOT NULL,
    PRIMARY KEY (kind, name_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reserved_names_by_user_id ON reserved_names (user_id);
CREATE INDEX IF NOT EXISTS reserved_names_by_until ON reserved_names (until);

-- Changes of an address: begun, confirmed from the new one, taken back from the old one.
CREATE TABLE IF NOT EXISTS email_changes (
    id            BLOB NOT NULL,
    user_id       BLOB NOT NULL,
    email         TEXT NOT NULL,
    email_key     BLOB NOT NULL,
    old_email     TEXT NOT NULL,
    old_email_key BLOB NOT NULL,
    created_at    INTEGER NOT NULL,
    changed_at    INTEGER,
    undone_at     INTEGER,
    expires_at    INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS email_changes_by_user_id ON email_changes (user_id);
CREATE INDEX IF NOT EXISTS email_changes_by_expires_at ON email_changes (expires_at);

-- Marks of the devices that a person has signed in from.
CREATE TABLE IF NOT EXISTS known_devices (
    user_id    BLOB NOT NULL,
    marks      BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (user_id)
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE IF EXISTS known_devices;
DROP TABLE IF EXISTS email_changes;
DROP TABLE IF EXISTS reserved_names;
