-- +goose Up

-- What each browser has shown of an account since everything of it was ended
-- last. MySQL commits a change of a table at once, so a column that is there is
-- left alone.
SET @gatehouse = (SELECT IF(COUNT(*) = 1, 'DO 0',
    'ALTER TABLE known_devices ADD COLUMN known VARBINARY(512) NOT NULL DEFAULT ''''')
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'known_devices' AND column_name = 'known');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;

-- +goose Down

SET @gatehouse = (SELECT IF(COUNT(*) = 0, 'DO 0', 'ALTER TABLE known_devices DROP COLUMN known')
    FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'known_devices' AND column_name = 'known');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;
