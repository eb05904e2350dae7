-- Times are milliseconds since the Unix epoch.

CREATE TABLE systems (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL UNIQUE,
    pin          INTEGER NOT NULL CHECK (pin IN (0, 1)),
    passwordless INTEGER NOT NULL CHECK (passwordless IN (0, 1)),
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id         INTEGER PRIMARY KEY,
    auth_id    TEXT    NOT NULL UNIQUE,
    email      TEXT,
    sms        TEXT,
    disabled   INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    CHECK (email IS NOT NULL OR sms IS NOT NULL)
) STRICT;

CREATE TABLE assignments (
    user_id   INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    system_id INTEGER NOT NULL REFERENCES systems (id) ON DELETE CASCADE,
    method    TEXT    NOT NULL CHECK (method IN ('pin', 'passwordless')),
    PRIMARY KEY (user_id, system_id)
) STRICT, WITHOUT ROWID;

-- `mac` is keyed with a server key, which is kept outside this database.
CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL,
    prefix       TEXT    NOT NULL UNIQUE,
    server_key   TEXT    NOT NULL,
    mac          BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;

CREATE UNIQUE INDEX api_keys_one_live_name ON api_keys (name) WHERE revoked_at IS NULL;

-- Neither PIN nor link is here: both are derived from `nonce` and a server key. `operation` and `binding` are empty
-- where there is none, not NULL: no two NULLs are the same to a unique index.
CREATE TABLE challenges (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    txn          TEXT    NOT NULL UNIQUE,
    system_id    INTEGER NOT NULL REFERENCES systems (id) ON DELETE CASCADE,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    operation    TEXT    NOT NULL,
    binding      TEXT    NOT NULL,
    method       TEXT    NOT NULL CHECK (method IN ('pin', 'passwordless')),
    server_key   TEXT    NOT NULL,
    nonce        BLOB    NOT NULL,
    token_hash   BLOB    UNIQUE,
    match_number INTEGER CHECK (match_number BETWEEN 10 AND 99),
    ip           TEXT,
    user_agent   TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    sent_at      INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 5),
    state        TEXT    NOT NULL DEFAULT 'pending' CHECK (state IN
                 ('pending', 'authenticated', 'declined', 'locked', 'expired', 'withdrawn')),
    claimed      INTEGER NOT NULL DEFAULT 0 CHECK (claimed IN (0, 1)),
    CHECK ((method = 'pin') = (token_hash IS NULL)),
    CHECK ((method = 'pin') = (match_number IS NULL))
) STRICT;

CREATE UNIQUE INDEX challenges_one_live ON challenges (system_id, user_id, operation, binding)
    WHERE state = 'pending';
CREATE INDEX challenges_newest ON challenges (system_id, user_id, id);
CREATE INDEX challenges_expiry ON challenges (expires_at);

CREATE TABLE idempotency_keys (
    api_key_id   INTEGER NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    key_hash     BLOB    NOT NULL,
    challenge_id INTEGER NOT NULL REFERENCES challenges (id) ON DELETE CASCADE,
    PRIMARY KEY (api_key_id, key_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_challenge ON idempotency_keys (challenge_id);

-- Names are copied, not referenced: the trail outlives what it speaks of.
CREATE TABLE audit (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    at           INTEGER NOT NULL,
    event        TEXT    NOT NULL,
    system       TEXT,
    auth_id      TEXT,
    challenge_id INTEGER,
    api_key      TEXT,
    ip           TEXT
) STRICT;

CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
