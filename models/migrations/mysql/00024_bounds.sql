-- +goose Up

-- Mails that the owner of an address asked for in a browser that is known for the
-- account; they have a cap of their own, which strangers cannot use up. MySQL
-- commits a change of a table at once, so a column that is there is left alone.
SET @gatehouse = (SELECT IF(COUNT(*) = 1, 'DO 0',
    'ALTER TABLE mail_outbox ADD COLUMN by_owner BIGINT NOT NULL DEFAULT 0')
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'mail_outbox' AND column_name = 'by_owner');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;

-- +goose Down

SET @gatehouse = (SELECT IF(COUNT(*) = 0, 'DO 0', 'ALTER TABLE mail_outbox DROP COLUMN by_owner')
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'mail_outbox' AND column_name = 'by_owner');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;
