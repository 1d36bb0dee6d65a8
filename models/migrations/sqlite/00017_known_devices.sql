-- +goose Up

-- What each browser has shown of an account since everything of it was ended last.
ALTER TABLE known_devices ADD COLUMN known BLOB NOT NULL DEFAULT x'';

-- +goose Down

ALTER TABLE known_devices DROP COLUMN known;
