-- +goose Up

-- The login page asks which domains of before a move somebody still has passkeys of.
CREATE INDEX IF NOT EXISTS passkeys_by_rp_id ON passkeys (rp_id);

-- +goose Down

DROP INDEX IF EXISTS passkeys_by_rp_id;
