-- Users who left, as the edge told. Their orders stay: they are the house's
-- books, and an id that leads to nobody is all that they keep of a person.
CREATE TABLE departures (
    user_id      uuid        PRIMARY KEY,
    -- From here on nothing new is to be kept of them.
    requested_at timestamptz NOT NULL,
    erased_at    timestamptz,
    CONSTRAINT departures_erased CHECK (erased_at >= requested_at)
);
