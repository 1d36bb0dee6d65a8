-- +goose Up

-- The login page asks which domains of before a move somebody still has passkeys of. MySQL commits a change of a table
-- at once, so a server that died right after it must find its work done.
SET @gatehouse = (SELECT IF(COUNT(*) > 0, 'DO 0', 'ALTER TABLE passkeys ADD KEY passkeys_by_rp_id (rp_id)')
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'passkeys' AND index_name = 'passkeys_by_rp_id');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;

-- +goose Down

SET @gatehouse = (SELECT IF(COUNT(*) = 0, 'DO 0', 'ALTER TABLE passkeys DROP KEY passkeys_by_rp_id')
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'passkeys' AND index_name = 'passkeys_by_rp_id');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;
