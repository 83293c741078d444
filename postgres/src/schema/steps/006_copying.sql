-- Deletes one message for good, whatever its status; its key is remembered, and the object of its sound is noted. Outcomes: 0 deleted, 2 no such mailbox,
-- 3 no such message.
CREATE FUNCTION voicemail.delete_message(
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
        RETURNING key, status, urgent, length_ms, size, sound_at INTO m;
    IF NOT FOUND THEN
        outcome := 3;
        RETURN;
    END IF;
    INSERT INTO voicemail.gone (mailbox, key, at) VALUES (p_mailbox, m.key, now()) ON CONFLICT DO NOTHING;
    IF m.sound_at IS NOT NULL THEN
        INSERT INTO voicemail.sound_gone (sound_at) VALUES (m.sound_at) ON CONFLICT DO NOTHING;
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
