-- The leases of the lamps, and jobs that must be done although nodes die.

-- Which node updates the lamps of a PBX, and until when.
CREATE TABLE voicemail.lamp_lease (
    pbx    text PRIMARY KEY,
    holder text NOT NULL,               -- the name of the node, and random digits for each start
    epoch  bigint NOT NULL,             -- grows each time another holder takes the lease
    until  timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Takes the leases of those PBXs that no other holder has, renews those of this holder, and answers both. The PBXs are in one order for all nodes, so
-- that two of them do not wait for each other in a circle. A lease that had to be waited for is compared with the time after the wait.
CREATE FUNCTION voicemail.renew_leases(p_pbxs text[], p_holder text, p_term interval) RETURNS SETOF text LANGUAGE sql VOLATILE AS $$
    INSERT INTO voicemail.lamp_lease AS lease (pbx, holder, epoch, until)
    SELECT pbx, p_holder, 1, clock_timestamp() + p_term FROM unnest(p_pbxs) AS pbx ORDER BY pbx
    ON CONFLICT (pbx) DO UPDATE SET
        holder = p_holder,
        epoch = lease.epoch + CASE WHEN lease.holder = p_holder THEN 0 ELSE 1 END,
        until = excluded.until
    WHERE lease.holder = p_holder OR lease.until <= clock_timestamp()
    RETURNING pbx
$$;

-- Jobs. A job that is taken is due when the claim of its worker ends.
CREATE TABLE voicemail.job (
    kind      text NOT NULL,
    key       bytea NOT NULL,           -- 16 bytes
    queued_at timestamptz NOT NULL,     -- by the clock of the node that added it
    due       timestamptz NOT NULL,
    tries     integer NOT NULL DEFAULT 0,
    claim     bigint NOT NULL DEFAULT 0, -- grows with each worker that takes the job
    state     smallint NOT NULL DEFAULT 0, -- 0 waits, 1 given up as unreadable, for an operator
    payload   bytea NOT NULL,
    PRIMARY KEY (kind, key)
) WITH (fillfactor = 70);
CREATE INDEX job_due ON voicemail.job (kind, due, queued_at) WHERE state = 0;
