-- +goose Up

-- What each running server can say for receipts: how far it has applied the
-- log, which followers spoke with it and how far they were, and for how long
-- it has heard nothing of whom. One row per node.
CREATE TABLE IF NOT EXISTS node_acks (
    node_id BINARY(16) NOT NULL,
    name    VARCHAR(128) NOT NULL,
    log_id  BINARY(16) NOT NULL,
    seq     BIGINT NOT NULL,
    body    MEDIUMBLOB NOT NULL,
    PRIMARY KEY (node_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- +goose Down

DROP TABLE IF EXISTS node_acks;
