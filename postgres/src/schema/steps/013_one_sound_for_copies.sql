-- One sound for all copies of a message. The first copy moves the sound out of the row of its message; a message without copies stays as it is, and so
-- does a deposit. A sound in the object store is shared by its name.

-- The sounds that several messages have, or had.
CREATE TABLE voicemail.sound (
    id    uuid PRIMARY KEY,
    sound bytea NOT NULL
);
ALTER TABLE voicemail.sound ALTER COLUMN sound SET STORAGE EXTERNAL;
-- No foreign key, which would cost each deposit a check: copy_message and release_sounds keep references and sounds together.
ALTER TABLE voicemail.message
    ADD COLUMN sound_id uuid,
    DROP CONSTRAINT message_check,
    ADD CONSTRAINT message_has_one_sound CHECK (num_nonnulls(sound, sound_at, sound_id) = 1);
CREATE INDEX message_sound_id ON voicemail.message (sound_id) WHERE sound_id IS NOT NULL;

-- Moves the sound of a message into a row that others can refer to, if it is in the row of the message. It has the rights of its owner, because the role
-- of a node may not change a sound; what it does changes no sound.
CREATE FUNCTION voicemail.share_sound(p_mailbox text, p_id uuid) RETURNS void LANGUAGE plpgsql VOLATILE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    shared uuid := gen_random_uuid();
BEGIN
    PERFORM FROM voicemail.message WHERE mailbox = p_mailbox AND id = p_id AND sound IS NOT NULL FOR NO KEY UPDATE;
    IF FOUND THEN
        INSERT INTO voicemail.sound (id, sound) SELECT shared, sound FROM voicemail.message WHERE mailbox = p_mailbox AND id = p_id;
        UPDATE voicemail.message SET sound = NULL, sound_id = shared WHERE mailbox = p_mailbox AND id = p_id;
    END IF;
END $$;

-- Puts a copy of a message into another mailbox, as new, with its sound and its transcript. Outcomes: 0 stored, 1 duplicate, 2 no such message,
-- 3 no such mailbox for the copy, 4 that one is full. A limit that is null does not apply.
CREATE FUNCTION voicemail.copy_message(
    p_from text, p_id uuid, p_to text, p_create_to boolean, p_key uuid,
    p_max_messages bigint, p_max_length_ms bigint, p_max_bytes bigint,
    OUT outcome smallint, OUT kept_id uuid, OUT old_version bigint, OUT new_version bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b voicemail.mailbox := voicemail.lock_mailbox(p_to, p_create_to);
    m record;
BEGIN
    IF b.number IS NULL THEN
        outcome := 3;
        RETURN;
    END IF;
    IF voicemail.is_known(p_to, p_key) THEN
        outcome := 1;
        RETURN;
    END IF;
    IF b.new_n + b.old_n >= p_max_messages OR b.length_ms >= p_max_length_ms OR b.bytes >= p_max_bytes THEN
        outcome := 4;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM voicemail.message WHERE mailbox = p_from AND id = p_id AND sound IS NOT NULL) THEN
        PERFORM voicemail.share_sound(p_from, p_id);
    END IF;
    -- With this lock, the message is not deleted before the copy is committed: so its sound has one message at any time, and is not deleted, either.
    SELECT urgent, length_ms, size INTO m FROM voicemail.message WHERE mailbox = p_from AND id = p_id FOR KEY SHARE;
    IF NOT FOUND THEN
        outcome := 2;
        RETURN;
    END IF;
    kept_id := p_id;
    IF EXISTS (SELECT FROM voicemail.message x WHERE x.mailbox = p_to AND x.id = kept_id) THEN
        kept_id := p_key;
        IF EXISTS (SELECT FROM voicemail.message x WHERE x.mailbox = p_to AND x.id = kept_id) THEN
            kept_id := gen_random_uuid();
        END IF;
    END IF;
    INSERT INTO voicemail.message (mailbox, id, key, status, urgent, recorded_ns, since, length_ms, size, media, digest, sound_size, head,
            sound_at, sound_id, transcript, transcript_engine, transcript_language, transcript_confidence)
        SELECT p_to, kept_id, p_key, 0, x.urgent, x.recorded_ns, now(), x.length_ms, x.size, x.media, x.digest, x.sound_size, x.head,
            x.sound_at, x.sound_id, x.transcript, x.transcript_engine, x.transcript_language, x.transcript_confidence
        FROM voicemail.message x WHERE x.mailbox = p_from AND x.id = p_id;
    UPDATE voicemail.mailbox SET
            version = voicemail.next_version(b.version),
            new_n = b.new_n + 1,
            new_urgent = b.new_urgent + m.urgent::integer,
            length_ms = b.length_ms + m.length_ms,
            bytes = b.bytes + m.size
        WHERE number = p_to RETURNING b.version, version INTO old_version, new_version;
    outcome := 0;
END $$;

-- Gives up the sounds of messages that were deleted before in the same transaction. A shared sound without messages is deleted. Of two transactions that
-- delete the last two messages of a sound, the second one waits here, and sees then that none is left. An object is noted; whether messages refer to it still
-- is asked when it is to be deleted. All are in one order, so that two transactions do not wait for each other in a circle.
CREATE FUNCTION voicemail.release_sounds(p_sounds_at text[], p_sound_ids uuid[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_sounds_at IS NOT NULL THEN
        INSERT INTO voicemail.sound_gone (sound_at) SELECT DISTINCT x FROM unnest(p_sounds_at) x ORDER BY x
            ON CONFLICT (sound_at) DO UPDATE SET at = excluded.at;
    END IF;
    IF p_sound_ids IS NOT NULL THEN
        PERFORM FROM voicemail.sound WHERE id = ANY (p_sound_ids) ORDER BY id FOR UPDATE;
        DELETE FROM voicemail.sound s WHERE s.id = ANY (p_sound_ids)
            AND NOT EXISTS (SELECT FROM voicemail.message m WHERE m.sound_id = s.id);
    END IF;
END $$;

-- As before, but for the sounds.
CREATE OR REPLACE FUNCTION voicemail.expunge(
    p_mailbox text, p_create boolean, p_before timestamptz, p_limit integer,
    OUT outcome smallint, OUT deleted integer, OUT old_version bigint, OUT new_version bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    b voicemail.mailbox := voicemail.lock_mailbox(p_mailbox, p_create);
    objects text[];
    shared uuid[];
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
        RETURNING key, sound_at, sound_id
    ), remembered AS (
        INSERT INTO voicemail.gone (mailbox, key, at) SELECT p_mailbox, key, now() FROM d ON CONFLICT DO NOTHING
    )
    SELECT count(*), array_agg(sound_at) FILTER (WHERE sound_at IS NOT NULL), array_agg(sound_id) FILTER (WHERE sound_id IS NOT NULL)
        INTO deleted, objects, shared FROM d;
    IF deleted > 0 THEN
        PERFORM voicemail.release_sounds(objects, shared);
        UPDATE voicemail.mailbox SET version = voicemail.next_version(b.version), removed_n = b.removed_n - deleted
            WHERE number = p_mailbox RETURNING b.version, version INTO old_version, new_version;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION voicemail.delete_message(
    p_mailbox text, p_create boolean, p_id uuid, OUT outcome smallint, OUT old_version bigint, OUT new_version bigint
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
    DELETE FROM voicemail.message WHERE mailbox = p_mailbox AND id = p_id
        RETURNING key, status, urgent, length_ms, size, sound_at, sound_id INTO m;
    IF NOT FOUND THEN
        outcome := 3;
        RETURN;
    END IF;
    INSERT INTO voicemail.gone (mailbox, key, at) VALUES (p_mailbox, m.key, now()) ON CONFLICT DO NOTHING;
    IF m.sound_at IS NOT NULL OR m.sound_id IS NOT NULL THEN
        PERFORM voicemail.release_sounds(array_remove(ARRAY[m.sound_at], NULL), array_remove(ARRAY[m.sound_id], NULL));
    END IF;
    counted := CASE WHEN m.status < 2 THEN 1 ELSE 0 END;
    UPDATE voicemail.mailbox SET
            version = voicemail.next_version(b.version),
            new_n = b.new_n - (m.status = 0)::integer,
            new_urgent = b.new_urgent - (m.status = 0 AND m.urgent)::integer,
            old_n = b.old_n - (m.status = 1)::integer,
            old_urgent = b.old_urgent - (m.status = 1 AND m.urgent)::integer,
            removed_n = b.removed_n - (m.status = 2)::integer,
            length_ms = b.length_ms - counted * m.length_ms,
            bytes = b.bytes - counted * m.size
        WHERE number = p_mailbox RETURNING b.version, version INTO old_version, new_version;
    outcome := 0;
END $$;
