-- +goose Up

-- Mails that the owner of an address asked for in a browser that is known for the
-- account; they have a cap of their own, which strangers cannot use up.
ALTER TABLE mail_outbox ADD COLUMN by_owner INTEGER NOT NULL DEFAULT 0;

-- +goose Down

ALTER TABLE mail_outbox DROP COLUMN by_owner;
