-- People, what they prove themselves with, and the audit trail.

CREATE TYPE user_role AS ENUM ('customer', 'support', 'admin');
CREATE TYPE user_status AS ENUM ('active', 'blocked', 'deactivated', 'deleted', 'erased');

CREATE TABLE users (
    id                 uuid        PRIMARY KEY,
    -- As the user wrote it, and the form by which it is unique and looked up.
    username           text        CHECK (length(username) BETWEEN 3 AND 32),
    username_canonical text        CHECK (length(username_canonical) BETWEEN 3 AND 64),
    full_name          text        CHECK (length(full_name) BETWEEN 1 AND 200),
    birth_date         date        CHECK (birth_date >= DATE '1900-01-01'),
    role               user_role   NOT NULL DEFAULT 'customer',
    status             user_status NOT NULL DEFAULT 'active',
    email              text        CHECK (length(email) BETWEEN 3 AND 254),
    email_canonical    text        CHECK (length(email_canonical) BETWEEN 3 AND 320),
    email_verified_at  timestamptz,
    -- E.164, which is canonical already.
    phone              text        CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    phone_verified_at  timestamptz,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    last_login_at      timestamptz,
    deleted_at         timestamptz,
    erase_after        timestamptz,
    erased_at          timestamptz,
    -- Raised by every change; carried by the user's events.
    version            bigint      NOT NULL DEFAULT 1 CHECK (version > 0),

    CONSTRAINT users_username_pair CHECK ((username IS NULL) = (username_canonical IS NULL)),
    CONSTRAINT users_email_pair CHECK ((email IS NULL) = (email_canonical IS NULL)),
    CONSTRAINT users_email_verified CHECK (email_verified_at IS NULL OR email IS NOT NULL),
    CONSTRAINT users_phone_verified CHECK (phone_verified_at IS NULL OR phone IS NOT NULL),
    CONSTRAINT users_deleted CHECK ((status IN ('deleted', 'erased')) = (deleted_at IS NOT NULL)),
    CONSTRAINT users_deleted_has_erase_after CHECK ((deleted_at IS NULL) = (erase_after IS NULL)),
    CONSTRAINT users_erased CHECK ((status = 'erased') = (erased_at IS NOT NULL)),
    -- An erased user keeps an id and nothing else that tells who it was.
    CONSTRAINT users_erased_is_empty CHECK (
        status <> 'erased'
        OR num_nonnulls(username, full_name, birth_date, email, phone, last_login_at) = 0)
);

-- Unique only among the living: a name or address is free again once its
-- holder was deleted.
CREATE UNIQUE INDEX users_username_unique ON users (username_canonical) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX users_email_unique ON users (email_canonical) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX users_phone_unique ON users (phone) WHERE deleted_at IS NULL;
CREATE INDEX users_erase_after ON users (erase_after) WHERE status = 'deleted';

CREATE TABLE credentials (
    user_id    uuid        PRIMARY KEY REFERENCES users (id),
    -- An Argon2id PHC string: the parameters travel with the hash.
    password   text        NOT NULL CHECK (password LIKE '$argon2id$%' AND length(password) <= 512),
    changed_at timestamptz NOT NULL
);

CREATE TABLE identities (
    provider   text        NOT NULL CHECK (provider IN ('google', 'facebook', 'vk', 'yandex')),
    -- The provider's own id of the person: the only thing an identity is keyed on.
    subject    text        NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    user_id    uuid        NOT NULL REFERENCES users (id),
    email      text        CHECK (length(email) <= 254),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (provider, subject),
    CONSTRAINT identities_one_per_provider UNIQUE (user_id, provider)
);

-- Append-only. `subject` is a masked identifier (a***@example.org), never a
-- full one; `detail` never holds a secret, code or token.
CREATE TABLE audit_log (
    id         uuid        PRIMARY KEY,
    at         timestamptz NOT NULL,
    event      text        NOT NULL CHECK (event ~ '^[a-z_]+(\.[a-z_]+)+$' AND length(event) <= 64),
    user_id    uuid,
    actor_id   uuid,
    session_id uuid,
    ip         inet,
    user_agent text        CHECK (length(user_agent) <= 256),
    subject    text        CHECK (length(subject) <= 128),
    detail     jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(detail) = 'object')
);
CREATE INDEX audit_log_at ON audit_log (at DESC, id DESC);
CREATE INDEX audit_log_user ON audit_log (user_id, at DESC, id DESC);
