-- +goose Up

-- What the SMTP server said, until when a mail is tried, and the number of the
-- mail among those to one address, by which the caps count exactly.
ALTER TABLE mail_outbox ADD COLUMN answer TEXT NOT NULL DEFAULT '';
ALTER TABLE mail_outbox ADD COLUMN give_up_at INTEGER;
ALTER TABLE mail_outbox ADD COLUMN recipient_seq INTEGER;
CREATE UNIQUE INDEX IF NOT EXISTS mail_outbox_recipient_seq ON mail_outbox (recipient_key, recipient_seq);

-- +goose Down

DROP INDEX IF EXISTS mail_outbox_recipient_seq;
ALTER TABLE mail_outbox DROP COLUMN recipient_seq;
ALTER TABLE mail_outbox DROP COLUMN give_up_at;
ALTER TABLE mail_outbox DROP COLUMN answer;
