-- +goose Up

-- Mail that waits, was sent or failed. The body is sealed and blanked after sending.
CREATE TABLE IF NOT EXISTS mail_outbox (
    id            BINARY(16) NOT NULL,
    purpose       VARCHAR(32) NOT NULL,
    recipient     VARCHAR(320) NOT NULL,
    recipient_key BINARY(32) NOT NULL,
    locale        VARCHAR(35) NOT NULL,
    body          MEDIUMBLOB,
    state         VARCHAR(16) NOT NULL,
    attempts      BIGINT NOT NULL,
    next_at       BIGINT NOT NULL,
    last_error    VARCHAR(512) NOT NULL,
    created_at    BIGINT NOT NULL,
    sent_at       BIGINT,
    PRIMARY KEY (id),
    KEY mail_outbox_by_state_next_at (state, next_at),
    KEY mail_outbox_by_recipient_key_created_at (recipient_key, created_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS mail_outbox;
