-- +goose Up

-- What each running server can say for receipts: how far it has applied the
-- log, which followers spoke with it and how far they were, and for how long
-- it has heard nothing of whom. One row per node.
CREATE TABLE IF NOT EXISTS node_acks (
    node_id BLOB NOT NULL,
    name    TEXT NOT NULL,
    log_id  BLOB NOT NULL,
    seq     INTEGER NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (node_id)
) STRICT, WITHOUT ROWID;

-- +goose Down

DROP TABLE IF EXISTS node_acks;
