-- +goose Up

-- What the SMTP server said, until when a mail is tried, and the number of the
-- mail among those to one address, by which the caps count exactly. MySQL knows
-- no ADD COLUMN IF NOT EXISTS and commits a change of a table at once, so a
-- server that died right after it must find its work done.
SET @gatehouse = (SELECT IF(COUNT(*) > 0, 'DO 0',
    'ALTER TABLE mail_outbox ADD COLUMN answer VARCHAR(512) NOT NULL DEFAULT '''', ADD COLUMN give_up_at BIGINT, ADD COLUMN recipient_seq BIGINT, ADD UNIQUE KEY mail_outbox_recipient_seq (recipient_key, recipient_seq)')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'mail_outbox' AND column_name = 'recipient_seq');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;

-- +goose Down

SET @gatehouse = (SELECT IF(COUNT(*) = 0, 'DO 0',
    'ALTER TABLE mail_outbox DROP KEY mail_outbox_recipient_seq, DROP COLUMN recipient_seq, DROP COLUMN give_up_at, DROP COLUMN answer')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'mail_outbox' AND column_name = 'recipient_seq');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;
