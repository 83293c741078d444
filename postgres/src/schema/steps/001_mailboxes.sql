-- Mailboxes and their messages. All names are written with their schema: no search_path is relied upon.

-- One row for each mailbox. It is the lock of the mailbox: whatever changes its messages locks it first. Its counts and its version change in
-- the transaction that changes the messages. fillfactor: an update of the row stays on its page and touches no index.
CREATE TABLE voicemail.mailbox (
    number     text PRIMARY KEY,
    version    bigint NOT NULL,
    new_n      integer NOT NULL DEFAULT 0,
    new_urgent integer NOT NULL DEFAULT 0,
    old_n      integer NOT NULL DEFAULT 0,
    old_urgent integer NOT NULL DEFAULT 0,
    removed_n  integer NOT NULL DEFAULT 0,
    length_ms  bigint NOT NULL DEFAULT 0,   -- of new and old messages
    bytes      bigint NOT NULL DEFAULT 0    -- of new and old messages
) WITH (fillfactor = 50);

-- The messages. Only status and since are ever updated.
CREATE TABLE voicemail.message (
    mailbox     text NOT NULL,
    id          uuid NOT NULL,
    key         uuid NOT NULL,              -- the deduplication key
    status      smallint NOT NULL,          -- 0 new, 1 old, 2 removed
    urgent      boolean NOT NULL,
    recorded_ns bigint NOT NULL,            -- nanoseconds since 1970; head has the exact moment
    since       timestamptz NOT NULL,       -- when the message got its status
    length_ms   bigint NOT NULL,
    size        bigint NOT NULL,            -- as a mail, in bytes
    media       text NOT NULL,
    digest      bytea NOT NULL,             -- SHA-256 of the sound
    sound_size  bigint NOT NULL,
    head        bytea NOT NULL,
    sound       bytea,
    sound_at    text,                       -- the name of an object; one of the two is there
    PRIMARY KEY (mailbox, id),
    UNIQUE (mailbox, key),
    CHECK ((sound IS NULL) <> (sound_at IS NULL))
);
-- Sound does not compress, and a part of it can be read without the rest.
ALTER TABLE voicemail.message ALTER COLUMN sound SET STORAGE EXTERNAL;
-- For pages in every order.
CREATE INDEX message_page ON voicemail.message (mailbox, status, urgent, recorded_ns, id);
-- For retention: what was recorded, and what was removed, before a time.
CREATE INDEX message_recorded ON voicemail.message (status, recorded_ns);
CREATE INDEX message_removed ON voicemail.message (since) WHERE status = 2;
-- For the search for objects that no message refers to.
CREATE INDEX message_sound ON voicemail.message (sound_at) WHERE sound_at IS NOT NULL;

-- The keys of messages that were deleted for good. They are deleted in steps; one table is looked up at less cost than a partition for each month.
CREATE TABLE voicemail.gone (
    mailbox text NOT NULL,
    key     uuid NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (mailbox, key)
);
CREATE INDEX gone_at ON voicemail.gone (at);

-- The objects whose messages were deleted for good, until the objects are deleted, too.
CREATE TABLE voicemail.sound_gone (
    sound_at text PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now()
);

-- The last day whose objects were compared with the messages: those that no message refers to are deleted.
CREATE TABLE voicemail.sound_sweep (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    swept  date NOT NULL
);

-- Each version of a mailbox is above the one before, and not below the microseconds since 1970.
CREATE FUNCTION voicemail.next_version(before bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT greatest(before + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
$$;

CREATE FUNCTION voicemail.create_mailbox(p_mailbox text) RETURNS void LANGUAGE sql VOLATILE AS $$
    INSERT INTO voicemail.mailbox (number, version) VALUES (p_mailbox, voicemail.next_version(0)) ON CONFLICT DO NOTHING
$$;

-- Locks the mailbox. Each statement of a calling function has a snapshot of its own, taken after this one has waited.
CREATE FUNCTION voicemail.lock_mailbox(p_mailbox text, p_create boolean, OUT box voicemail.mailbox) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    SELECT * INTO box FROM voicemail.mailbox WHERE number = p_mailbox FOR NO KEY UPDATE;
    IF NOT FOUND AND p_create THEN
        PERFORM voicemail.create_mailbox(p_mailbox);
        SELECT * INTO box FROM voicemail.mailbox WHERE number = p_mailbox FOR NO KEY UPDATE;
    END IF;
END $$;

-- Puts a message into a mailbox. Outcomes: 0 stored, 1 duplicate, 2 no such mailbox, 3 full, 4 the message would be stored, but came without a sound:
-- so it is asked whether a sound is worth being put into the object store, at the time that "at" answers. The same for an object of a past day. A limit that is null does not apply.
CREATE FUNCTION voicemail.deposit(
    p_mailbox text, p_create boolean, p_key uuid, p_id uuid, p_status smallint, p_since timestamptz, p_urgent boolean, p_recorded_ns bigint,
    p_length_ms bigint, p_size bigint, p_media text, p_digest bytea, p_sound_size bigint, p_head bytea, p_sound bytea, p_sound_at text,
    p_max_messages bigint, p_max_length_ms bigint, p_max_bytes bigint,
    OUT outcome smallint, OUT kept_id uuid, OUT old_version bigint, OUT new_version bigint, OUT at timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b voicemail.mailbox;
    counts integer := CASE WHEN p_status < 2 THEN 1 ELSE 0 END;
BEGIN
    SELECT * INTO b FROM voicemail.mailbox WHERE number = p_mailbox FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        b := voicemail.lock_mailbox(p_mailbox, p_create);
        IF b.number IS NULL THEN
            outcome := 2;
            RETURN;
        END IF;
    END IF;
    IF EXISTS (SELECT FROM voicemail.message m WHERE m.mailbox = p_mailbox AND m.key = p_key)
        OR EXISTS (SELECT FROM voicemail.gone g WHERE g.mailbox = p_mailbox AND g.key = p_key) THEN
        outcome := 1;
        RETURN;
    END IF;
    IF b.new_n + b.old_n >= p_max_messages OR b.length_ms >= p_max_length_ms OR b.bytes >= p_max_bytes THEN
        outcome := 3;
        RETURN;
    END IF;
    -- The sounds of a day are swept when the next day is over, too. A node that was frozen after its put has to put the sound again.
    IF (p_sound IS NULL AND p_sound_at IS NULL)
        OR left(p_sound_at, 10)::date < ((now() - interval '1 hour') AT TIME ZONE 'UTC')::date THEN
        outcome := 4;
        at := now();
        RETURN;
    END IF;
    kept_id := p_id;
    IF EXISTS (SELECT FROM voicemail.message m WHERE m.mailbox = p_mailbox AND m.id = kept_id) THEN
        kept_id := p_key;
        IF EXISTS (SELECT FROM voicemail.message m WHERE m.mailbox = p_mailbox AND m.id = kept_id) THEN
            kept_id := gen_random_uuid();
        END IF;
    END IF;
    INSERT INTO voicemail.message (mailbox, id, key, status, urgent, recorded_ns, since, length_ms, size, media, digest, sound_size, head,
            sound, sound_at)
        VALUES (p_mailbox, kept_id, p_key, p_status, p_urgent, p_recorded_ns, coalesce(p_since, now()), p_length_ms, p_size, p_media, p_digest, p_sound_size,
            p_head, p_sound, p_sound_at);
    UPDATE voicemail.mailbox SET
            version = voicemail.next_version(b.version),
            new_n = b.new_n + CASE WHEN p_status = 0 THEN 1 ELSE 0 END,
            new_urgent = b.new_urgent + CASE WHEN p_status = 0 AND p_urgent THEN 1 ELSE 0 END,
            old_n = b.old_n + CASE WHEN p_status = 1 THEN 1 ELSE 0 END,
            old_urgent = b.old_urgent + CASE WHEN p_status = 1 AND p_urgent THEN 1 ELSE 0 END,
            removed_n = b.removed_n + 1 - counts,
            length_ms = b.length_ms + counts * p_length_ms,
            bytes = b.bytes + counts * p_size
        WHERE number = p_mailbox RETURNING b.version, version INTO old_version, new_version;
    outcome := 0;
END $$;

-- Remembers the key of a message that was deleted elsewhere at p_at: from then on, but not from the future, nor from before the time that keys are
-- remembered for. Outcomes: 0 remembered, 1 known before, 2 no such mailbox.
CREATE FUNCTION voicemail.import_key(
    p_mailbox text, p_create boolean, p_key uuid, p_at timestamptz, p_window_ms bigint, OUT outcome smallint
)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b voicemail.mailbox := voicemail.lock_mailbox(p_mailbox, p_create);
BEGIN
    IF b.number IS NULL THEN
        outcome := 2;
    ELSIF EXISTS (SELECT FROM voicemail.message m WHERE m.mailbox = p_mailbox AND m.key = p_key) THEN
        outcome := 1;
    ELSE
        INSERT INTO voicemail.gone (mailbox, key, at)
            VALUES (p_mailbox, p_key, greatest(least(coalesce(p_at, now()), now()), now() - p_window_ms * interval '1 millisecond'))
            ON CONFLICT DO NOTHING;
        outcome := CASE WHEN FOUND THEN 0 ELSE 1 END;
    END IF;
END $$;

-- Sets the status of one message. Outcomes: 0 set, 1 it had this status, 2 no such mailbox, 3 no such message. If p_from is given, only a message
-- with that status is changed; for others the outcome is 1.
CREATE FUNCTION voicemail.mark(
    p_mailbox text, p_create boolean, p_id uuid, p_status smallint, p_from smallint,
    OUT outcome smallint, OUT old_version bigint, OUT new_version bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b voicemail.mailbox := voicemail.lock_mailbox(p_mailbox, p_create);
    m record;
    counted integer;
BEGIN
    IF b.number IS NULL THEN
        outcome := 2;
        RETURN;
    END IF;
    SELECT status, urgent, length_ms, size INTO m FROM voicemail.message WHERE mailbox = p_mailbox AND id = p_id;
    IF NOT FOUND THEN
        outcome := 3;
        RETURN;
    END IF;
    IF m.status = p_status OR m.status <> p_from THEN
        outcome := 1;
        RETURN;
    END IF;
    UPDATE voicemail.message SET status = p_status, since = now() WHERE mailbox = p_mailbox AND id = p_id;
    counted := CASE WHEN p_status < 2 THEN 1 ELSE 0 END - CASE WHEN m.status < 2 THEN 1 ELSE 0 END;
    UPDATE voicemail.mailbox SET
            version = voicemail.next_version(b.version),
            new_n = b.new_n + (p_status = 0)::integer - (m.status = 0)::integer,
            new_urgent = b.new_urgent + (p_status = 0 AND m.urgent)::integer - (m.status = 0 AND m.urgent)::integer,
            old_n = b.old_n + (p_status = 1)::integer - (m.status = 1)::integer,
            old_urgent = b.old_urgent + (p_status = 1 AND m.urgent)::integer - (m.status = 1 AND m.urgent)::integer,
            removed_n = b.removed_n + (p_status = 2)::integer - (m.status = 2)::integer,
            length_ms = b.length_ms + counted * m.length_ms,
            bytes = b.bytes + counted * m.size
        WHERE number = p_mailbox RETURNING b.version, version INTO old_version, new_version;
    outcome := 0;
END $$;

-- Deletes removed messages for good, at most p_limit, and only those that were removed before p_before if that is given. Their keys are
-- remembered, and the objects of their sounds are noted, in the same transaction. outcome: 0, or 2 if there is no such mailbox.
CREATE FUNCTION voicemail.expunge(
    p_mailbox text, p_create boolean, p_before timestamptz, p_limit integer,
    OUT outcome smallint, OUT deleted integer, OUT old_version bigint, OUT new_version bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b voicemail.mailbox := voicemail.lock_mailbox(p_mailbox, p_create);
BEGIN
    deleted := 0;
    IF b.number IS NULL THEN
        outcome := 2;
        RETURN;
    END IF;
    outcome := 0;
    WITH d AS (
        DELETE FROM voicemail.message WHERE mailbox = p_mailbox AND status = 2 AND id IN (
            SELECT id FROM voicemail.message
            WHERE mailbox = p_mailbox AND status = 2 AND (p_before IS NULL OR since < p_before) LIMIT p_limit)
        RETURNING key, sound_at
    ), remembered AS (
        INSERT INTO voicemail.gone (mailbox, key, at) SELECT p_mailbox, key, now() FROM d ON CONFLICT DO NOTHING
    ), noted AS (
        INSERT INTO voicemail.sound_gone (sound_at) SELECT sound_at FROM d WHERE sound_at IS NOT NULL ON CONFLICT DO NOTHING
    )
    SELECT count(*) INTO deleted FROM d;
    IF deleted > 0 THEN
        UPDATE voicemail.mailbox SET version = voicemail.next_version(b.version), removed_n = b.removed_n - deleted
            WHERE number = p_mailbox RETURNING b.version, version INTO old_version, new_version;
    END IF;
END $$;
