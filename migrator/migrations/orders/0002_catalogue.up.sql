-- What can be bought: items, their prices, stock and sales.

-- Words with typing errors are found by trigrams.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
-- Periods of one price exclude each other.
CREATE EXTENSION IF NOT EXISTS btree_gist;
-- "Garcia" finds "García".
CREATE EXTENSION IF NOT EXISTS unaccent;

CREATE TEXT SEARCH CONFIGURATION catalogue (COPY = english);
ALTER TEXT SEARCH CONFIGURATION catalogue
    ALTER MAPPING FOR hword, hword_part, word WITH unaccent, english_stem;

CREATE TABLE currencies (
    -- ISO 4217.
    code        text     PRIMARY KEY,
    -- Decimal digits of an amount.
    minor_units smallint NOT NULL,
    CONSTRAINT currencies_code CHECK (code ~ '^[A-Z]{3}$'),
    CONSTRAINT currencies_minor_units CHECK (minor_units BETWEEN 0 AND 4),
    -- The pair is copied beside every amount, so that a check can hold the
    -- amount to its currency's digits.
    CONSTRAINT currencies_pair UNIQUE (code, minor_units)
);
INSERT INTO currencies (code, minor_units) VALUES
    ('ARS', 2), ('EUR', 2), ('GBP', 2), ('INR', 2), ('JPY', 0), ('KWD', 3), ('RUB', 2), ('USD', 2);

CREATE TABLE items (
    id          uuid        PRIMARY KEY,
    title       text        NOT NULL,
    author      text        NOT NULL,
    description text        NOT NULL DEFAULT '',
    -- Lower-case words, such as science-fiction.
    tags        text[]      NOT NULL DEFAULT '{}',
    search      tsvector    NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('catalogue'::regconfig, title), 'A')
        || setweight(to_tsvector('catalogue'::regconfig, author), 'B')
        || setweight(to_tsvector('catalogue'::regconfig, description), 'C')) STORED,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    -- Set: it can't be found or bought any more, but orders still name it.
    deleted_at  timestamptz,
    -- Raised by every change; carried by the item's events.
    version     bigint      NOT NULL DEFAULT 1,

    CONSTRAINT items_title CHECK (length(title) BETWEEN 1 AND 300),
    CONSTRAINT items_author CHECK (length(author) BETWEEN 1 AND 200),
    CONSTRAINT items_description CHECK (length(description) <= 10000),
    CONSTRAINT items_tags CHECK (
        cardinality(tags) <= 20
        AND COALESCE(array_ndims(tags), 1) = 1
        AND array_position(tags, NULL) IS NULL
        AND array_to_string(tags, ',') ~ '^([a-z0-9-]{1,40}(,[a-z0-9-]{1,40})*)?$'
        -- No tag is empty or holds the comma itself.
        AND cardinality(string_to_array(array_to_string(tags, ','), ',')) = cardinality(tags)),
    CONSTRAINT items_updated CHECK (updated_at >= created_at),
    CONSTRAINT items_deleted CHECK (deleted_at >= created_at),
    CONSTRAINT items_version CHECK (version > 0)
);
CREATE INDEX items_newest ON items (created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX items_tagged ON items USING gin (tags) WHERE deleted_at IS NULL;
CREATE INDEX items_search ON items USING gin (search) WHERE deleted_at IS NULL;
CREATE INDEX items_similar ON items USING gin ((title || ' ' || author) gin_trgm_ops) WHERE deleted_at IS NULL;

CREATE TABLE item_prices (
    item_id     uuid        NOT NULL REFERENCES items (id),
    currency    text        NOT NULL,
    minor_units smallint    NOT NULL,
    -- Not numeric(20,4): that rounds in silence and lets NaN through. The
    -- upper bound refuses NaN and Infinity.
    amount      numeric     NOT NULL,
    valid_from  timestamptz NOT NULL,
    -- The first instant at which it isn't the price any more; NULL: open.
    valid_until timestamptz,

    PRIMARY KEY (item_id, currency, valid_from),
    CONSTRAINT item_prices_currency FOREIGN KEY (currency, minor_units) REFERENCES currencies (code, minor_units),
    CONSTRAINT item_prices_amount CHECK (amount >= 0 AND amount < 1e15 AND amount = round(amount, minor_units)),
    CONSTRAINT item_prices_period CHECK (valid_from < valid_until),
    CONSTRAINT item_prices_one_at_a_time EXCLUDE USING gist (
        item_id WITH =, currency WITH =, tstzrange(valid_from, valid_until) WITH &&)
);
-- Lists ordered by price read it in order and look at the period in the index.
CREATE INDEX item_prices_by_amount ON item_prices (currency, amount, item_id) INCLUDE (valid_from, valid_until);

CREATE TABLE item_stock (
    item_id  uuid   PRIMARY KEY REFERENCES items (id),
    on_hand  bigint NOT NULL,
    -- Promised to orders that aren't paid yet.
    reserved bigint NOT NULL DEFAULT 0,
    CONSTRAINT item_stock_reserved CHECK (reserved BETWEEN 0 AND on_hand)
);

-- Copies sold lately, counted anew by the orders service from time to time:
-- bestsellers are read in this order. Every item has a row from its first
-- moment, so that a list by sales leaves none out.
CREATE TABLE item_sales (
    item_id uuid   PRIMARY KEY REFERENCES items (id),
    sold    bigint NOT NULL DEFAULT 0,
    CONSTRAINT item_sales_sold CHECK (sold >= 0)
);
CREATE INDEX item_sales_bestselling ON item_sales (sold DESC, item_id DESC);

CREATE FUNCTION items_begin_unsold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO item_sales (item_id) SELECT id FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER items_begin_unsold AFTER INSERT ON items
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION items_begin_unsold();
