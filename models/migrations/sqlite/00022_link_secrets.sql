-- +goose Up

-- Until when the tries of a secret that is asked for beside a link are spent.
ALTER TABLE one_time_tokens ADD COLUMN secret_until INTEGER NOT NULL DEFAULT 0;

-- +goose Down

ALTER TABLE one_time_tokens DROP COLUMN secret_until;
