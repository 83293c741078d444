-- A deposit of a new message is two statements inside its function instead of five: it counts first, which locks the mailbox, too, and puts the message in
-- then. What is found to be a duplicate only then is taken back from the counts.

-- The version before the last deposit: the deposit answers it, and an UPDATE cannot return what a row was before.
ALTER TABLE voicemail.mailbox ADD COLUMN version_before bigint;

-- Whether a message has arrived before, be it there or deleted for good.
CREATE FUNCTION voicemail.is_known(p_mailbox text, p_key uuid) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT EXISTS (SELECT FROM voicemail.message WHERE mailbox = p_mailbox AND key = p_key)
        OR EXISTS (SELECT FROM voicemail.gone WHERE mailbox = p_mailbox AND key = p_key)
$$;

-- Puts a message into a mailbox. Outcomes: 0 stored, 1 duplicate, 2 no such mailbox, 3 full, 4 the message would be stored, but came without a sound, or
-- with an object of a past day: its sound is to be put into the object store at the time that "at" answers. A limit that is null does not apply.
CREATE OR REPLACE FUNCTION voicemail.deposit(
    p_mailbox text, p_create boolean, p_key uuid, p_id uuid, p_status smallint, p_since timestamptz, p_urgent boolean, p_recorded_ns bigint,
    p_length_ms bigint, p_size bigint, p_media text, p_digest bytea, p_sound_size bigint, p_head bytea, p_sound bytea, p_sound_at text,
    p_max_messages bigint, p_max_length_ms bigint, p_max_bytes bigint,
    OUT outcome smallint, OUT kept_id uuid, OUT old_version bigint, OUT new_version bigint, OUT at timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b voicemail.mailbox;
    has_sound boolean := true;
    is_counted boolean := false;
    -- Computed once: an expression of a statement is set up anew at each call.
    is_new integer := (p_status = 0)::integer;
    is_old integer := (p_status = 1)::integer;
    is_removed integer := 1 - is_new - is_old;
    is_urgent_new integer := is_new * p_urgent::integer;
    is_urgent_old integer := is_old * p_urgent::integer;
    counted_ms bigint := (is_new + is_old) * p_length_ms;
    counted_bytes bigint := (is_new + is_old) * p_size;
BEGIN
    IF p_sound IS NULL THEN
        -- The sounds of a day are swept when the next day is over, too. A node that was frozen after its put has to put the sound again.
        has_sound := p_sound_at IS NOT NULL
            AND left(p_sound_at, 10)::date >= ((now() - interval '1 hour') AT TIME ZONE 'UTC')::date;
    END IF;
    IF has_sound THEN
        UPDATE voicemail.mailbox SET
                version_before = version,
                version = voicemail.next_version(version),
                new_n = new_n + is_new,
                new_urgent = new_urgent + is_urgent_new,
                old_n = old_n + is_old,
                old_urgent = old_urgent + is_urgent_old,
                removed_n = removed_n + is_removed,
                length_ms = length_ms + counted_ms,
                bytes = bytes + counted_bytes
            WHERE number = p_mailbox
                AND (new_n + old_n >= p_max_messages OR length_ms >= p_max_length_ms OR bytes >= p_max_bytes) IS NOT TRUE
            RETURNING version_before, version INTO old_version, new_version;
        is_counted := FOUND;
    END IF;
    IF NOT is_counted THEN
        b := voicemail.lock_mailbox(p_mailbox, p_create);
        IF b.number IS NULL THEN
            outcome := 2;
        ELSIF voicemail.is_known(p_mailbox, p_key) THEN
            outcome := 1;
        ELSIF b.new_n + b.old_n >= p_max_messages OR b.length_ms >= p_max_length_ms OR b.bytes >= p_max_bytes THEN
            outcome := 3;
        ELSIF NOT has_sound THEN
            outcome := 4;
            at := now();
        ELSE
            -- It was created now, or there was no room in it before this had waited for the lock.
            SELECT d.* INTO outcome, kept_id, old_version, new_version, at
                FROM voicemail.deposit(p_mailbox, false, p_key, p_id, p_status, p_since, p_urgent, p_recorded_ns, p_length_ms, p_size, p_media, p_digest,
                    p_sound_size, p_head, p_sound, p_sound_at, p_max_messages, p_max_length_ms, p_max_bytes) d;
        END IF;
        RETURN;
    END IF;
    -- Each statement has a snapshot of its own, after the lock: it sees what others have put in and deleted before.
    PERFORM FROM voicemail.gone WHERE mailbox = p_mailbox AND key = p_key;
    IF NOT FOUND THEN
        kept_id := p_id;
        LOOP
            INSERT INTO voicemail.message (mailbox, id, key, status, urgent, recorded_ns, since, length_ms, size, media, digest, sound_size, head,
                    sound, sound_at)
                VALUES (p_mailbox, kept_id, p_key, p_status, p_urgent, p_recorded_ns, coalesce(p_since, now()), p_length_ms, p_size, p_media,
                    p_digest, p_sound_size, p_head, p_sound, p_sound_at)
                ON CONFLICT DO NOTHING;
            IF FOUND THEN
                outcome := 0;
                RETURN;
            END IF;
            EXIT WHEN EXISTS (SELECT FROM voicemail.message WHERE mailbox = p_mailbox AND key = p_key);
            -- Another message has the id.
            kept_id := CASE WHEN kept_id = p_id AND p_id <> p_key THEN p_key ELSE gen_random_uuid() END;
        END LOOP;
    END IF;
    UPDATE voicemail.mailbox SET
            version = old_version,
            new_n = new_n - is_new,
            new_urgent = new_urgent - is_urgent_new,
            old_n = old_n - is_old,
            old_urgent = old_urgent - is_urgent_old,
            removed_n = removed_n - is_removed,
            length_ms = length_ms - counted_ms,
            bytes = bytes - counted_bytes
        WHERE number = p_mailbox;
    outcome := 1;
    kept_id := NULL;
    old_version := NULL;
    new_version := NULL;
END $$;
