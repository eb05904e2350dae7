-- Times are milliseconds since the Unix epoch. Whatever belongs to an account says so itself, so that no query has to
-- find it out by a join.

CREATE TABLE accounts (
    id               INTEGER PRIMARY KEY,
    name             TEXT    NOT NULL UNIQUE,
    -- Dialling prefixes such as +41, with a space between two. Empty: no SMS is sent anywhere.
    sms_countries    TEXT    NOT NULL DEFAULT '',
    sms_daily_budget INTEGER NOT NULL CHECK (sms_daily_budget >= 0),
    created_at       INTEGER NOT NULL
) STRICT;

CREATE TABLE systems (
    id           INTEGER PRIMARY KEY,
    account_id   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    pin          INTEGER NOT NULL CHECK (pin IN (0, 1)),
    passwordless INTEGER NOT NULL CHECK (passwordless IN (0, 1)),
    -- Whether a check has to name its challenge.
    requires_txn INTEGER NOT NULL DEFAULT 0 CHECK (requires_txn IN (0, 1)),
    created_at   INTEGER NOT NULL,
    UNIQUE (account_id, name)
) STRICT;

CREATE TABLE users (
    id         INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    auth_id    TEXT    NOT NULL,
    -- Of messages, such as de. Empty: the server's.
    locale     TEXT    NOT NULL DEFAULT '',
    disabled   INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    UNIQUE (account_id, auth_id)
) STRICT;

-- Tried in the order of `position`.
CREATE TABLE contacts (
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    channel    TEXT    NOT NULL CHECK (channel IN ('email', 'sms')),
    address    TEXT    NOT NULL,
    PRIMARY KEY (user_id, position),
    UNIQUE (user_id, channel, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE assignments (
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    system_id  INTEGER NOT NULL REFERENCES systems (id) ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    method     TEXT    NOT NULL CHECK (method IN ('pin', 'passwordless')),
    PRIMARY KEY (user_id, system_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX assignments_of_system ON assignments (system_id);

-- `mac` is keyed with a server key, which is kept outside this database.
CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY,
    account_id   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name         TEXT    NOT NULL,
    prefix       TEXT    NOT NULL UNIQUE,
    server_key   TEXT    NOT NULL,
    mac          BLOB    NOT NULL,
    -- With a space between two.
    scopes       TEXT    NOT NULL,
    -- The only one it is for, if it is not for all.
    system_id    INTEGER REFERENCES systems (id) ON DELETE CASCADE,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    -- When another one took its name; it goes on until it expires.
    replaced_at  INTEGER,
    revoked_at   INTEGER
) STRICT;

CREATE UNIQUE INDEX api_keys_one_live_name ON api_keys (account_id, name)
    WHERE revoked_at IS NULL AND replaced_at IS NULL;

-- Neither PIN nor link is here: both are derived from `nonce` and a server key. `operation` and `binding` are empty
-- where there is none, not NULL: no two NULLs are the same to a unique index.
CREATE TABLE challenges (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    txn          TEXT    NOT NULL UNIQUE,
    system_id    INTEGER NOT NULL REFERENCES systems (id) ON DELETE CASCADE,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    operation    TEXT    NOT NULL,
    binding      TEXT    NOT NULL,
    method       TEXT    NOT NULL CHECK (method IN ('pin', 'passwordless')),
    server_key   TEXT    NOT NULL,
    nonce        BLOB    NOT NULL,
    token_hash   BLOB,
    match_number INTEGER CHECK (match_number BETWEEN 10 AND 99),
    ip           TEXT,
    -- The address as limits count it, if they do: an IPv6 one stands for its /64.
    network      TEXT,
    user_agent   TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    -- Of the newest message, and how many there were.
    sent_at      INTEGER NOT NULL,
    sends        INTEGER NOT NULL DEFAULT 1,
    attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts BETWEEN 0 AND 5),
    state        TEXT    NOT NULL DEFAULT 'pending' CHECK (state IN
                 ('pending', 'authenticated', 'declined', 'locked', 'expired', 'withdrawn')),
    opened_at    INTEGER,
    ended_at     INTEGER,
    claimed      INTEGER NOT NULL DEFAULT 0 CHECK (claimed IN (0, 1)),
    CHECK ((method = 'pin') = (token_hash IS NULL)),
    CHECK ((method = 'pin') = (match_number IS NULL))
) STRICT;

CREATE UNIQUE INDEX challenges_one_live ON challenges (user_id, system_id, operation, binding)
    WHERE state = 'pending';
CREATE UNIQUE INDEX challenges_token ON challenges (token_hash) WHERE token_hash IS NOT NULL;
CREATE INDEX challenges_newest ON challenges (user_id, system_id, id);
CREATE INDEX challenges_expiry ON challenges (expires_at);
CREATE INDEX challenges_pending_expiry ON challenges (expires_at) WHERE state = 'pending';
CREATE INDEX challenges_network ON challenges (account_id, network, created_at) WHERE network IS NOT NULL;

CREATE TABLE idempotency_keys (
    api_key_id   INTEGER NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    key_hash     BLOB    NOT NULL,
    challenge_id INTEGER NOT NULL REFERENCES challenges (id) ON DELETE CASCADE,
    PRIMARY KEY (api_key_id, key_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_challenge ON idempotency_keys (challenge_id);

-- Wrong PINs and match numbers of a user since the last right one. No row: none.
CREATE TABLE failures (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    method  TEXT    NOT NULL CHECK (method IN ('pin', 'passwordless')),
    in_row  INTEGER NOT NULL,
    -- Those without an hour's pause between two.
    streak  INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, method)
) STRICT, WITHOUT ROWID;

-- What is to be sent and what was: limits count it. Texts are not here, and no PIN or link: they are derived when a
-- message is handed over.
CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    challenge_id INTEGER NOT NULL REFERENCES challenges (id) ON DELETE CASCADE,
    kind         TEXT    NOT NULL CHECK (kind IN ('challenge', 'alert')),
    channel      TEXT    NOT NULL CHECK (channel IN ('email', 'sms')),
    address      TEXT    NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'queued' CHECK (state IN
                 ('queued', 'sending', 'accepted', 'delivered', 'failed', 'unknown')),
    tries        INTEGER NOT NULL DEFAULT 0,
    queued_at    INTEGER NOT NULL,
    -- Of a queued one when it is to be sent, of one that is being sent when its lease ends.
    due_at       INTEGER,
    provider     TEXT,
    reference    TEXT,
    accepted_at  INTEGER,
    delivered_at INTEGER
) STRICT;

CREATE INDEX outbox_due ON outbox (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_recipient ON outbox (account_id, address, queued_at);
CREATE INDEX outbox_challenge ON outbox (challenge_id);
CREATE INDEX outbox_reference ON outbox (provider, reference) WHERE reference IS NOT NULL;

-- SMS of a day (UTC, days since the epoch), by the first seven characters of the number; `prefix` is empty for all.
CREATE TABLE sms_counts (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    prefix     TEXT    NOT NULL,
    day        INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    PRIMARY KEY (account_id, prefix, day)
) STRICT, WITHOUT ROWID;

-- Names are copied, not referenced: the trail outlives what it speaks of.
CREATE TABLE audit (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id   INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    event        TEXT    NOT NULL,
    system       TEXT,
    auth_id      TEXT,
    challenge_id INTEGER,
    api_key      TEXT,
    ip           TEXT,
    detail       TEXT
) STRICT;

CREATE INDEX audit_of_account ON audit (account_id, id);

CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
