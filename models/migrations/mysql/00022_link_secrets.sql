-- +goose Up

-- Until when the tries of a secret that is asked for beside a link are spent.
-- MySQL commits a change of a table at once, so a column that is there is left
-- alone.
SET @gatehouse = (SELECT IF(COUNT(*) = 1, 'DO 0',
    'ALTER TABLE one_time_tokens ADD COLUMN secret_until BIGINT NOT NULL DEFAULT 0')
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'one_time_tokens' AND column_name = 'secret_until');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;

-- +goose Down

SET @gatehouse = (SELECT IF(COUNT(*) = 0, 'DO 0', 'ALTER TABLE one_time_tokens DROP COLUMN secret_until')
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'one_time_tokens' AND column_name = 'secret_until');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;
