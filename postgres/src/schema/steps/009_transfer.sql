-- Messages that change their mailbox. Beside status and since, a transfer updates the mailbox and the id of a message.

-- Moves a message that is not removed into another mailbox, as new. Outcomes: 0 moved, 1 it had arrived there before and is now removed here,
-- 2 no such mailbox to move it from, 3 no such message, 4 no such mailbox to move it to, 5 that one is full. A limit that is null does not apply.
CREATE FUNCTION voicemail.transfer(
    p_from text, p_create_from boolean, p_id uuid, p_to text, p_create_to boolean,
    p_max_messages bigint, p_max_length_ms bigint, p_max_bytes bigint,
    OUT outcome smallint, OUT kept_id uuid, OUT from_old bigint, OUT from_new bigint, OUT to_old bigint, OUT to_new bigint
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    a voicemail.mailbox;
    b voicemail.mailbox;
    m record;
BEGIN
    -- In one order for all: of two transfers in opposite directions, one waits for the other.
    IF p_from < p_to THEN
        a := voicemail.lock_mailbox(p_from, p_create_from);
        b := voicemail.lock_mailbox(p_to, p_create_to);
    ELSE
        b := voicemail.lock_mailbox(p_to, p_create_to);
        a := voicemail.lock_mailbox(p_from, p_create_from);
    END IF;
    IF a.number IS NULL THEN
        outcome := 2;
        RETURN;
    END IF;
    IF b.number IS NULL THEN
        outcome := 4;
        RETURN;
    END IF;
    SELECT key, status, urgent, length_ms, size INTO m FROM voicemail.message WHERE mailbox = p_from AND id = p_id AND status < 2;
    IF NOT FOUND THEN
        outcome := 3;
        RETURN;
    END IF;
    IF p_from = p_to THEN
        outcome := 1;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM voicemail.message x WHERE x.mailbox = p_to AND x.key = m.key)
        OR EXISTS (SELECT FROM voicemail.gone g WHERE g.mailbox = p_to AND g.key = m.key) THEN
        SELECT old_version, new_version INTO from_old, from_new FROM voicemail.mark(p_from, false, p_id, 2::smallint, NULL);
        outcome := 1;
        RETURN;
    END IF;
    IF b.new_n + b.old_n >= p_max_messages OR b.length_ms >= p_max_length_ms OR b.bytes >= p_max_bytes THEN
        outcome := 5;
        RETURN;
    END IF;
    kept_id := p_id;
    IF EXISTS (SELECT FROM voicemail.message x WHERE x.mailbox = p_to AND x.id = kept_id) THEN
        kept_id := m.key;
        IF EXISTS (SELECT FROM voicemail.message x WHERE x.mailbox = p_to AND x.id = kept_id) THEN
            kept_id := gen_random_uuid();
        END IF;
    END IF;
    INSERT INTO voicemail.gone (mailbox, key, at) VALUES (p_from, m.key, now()) ON CONFLICT DO NOTHING;
    UPDATE voicemail.message SET mailbox = p_to, id = kept_id, status = 0, since = now() WHERE mailbox = p_from AND id = p_id;
    UPDATE voicemail.mailbox SET
            version = voicemail.next_version(a.version),
            new_n = a.new_n - (m.status = 0)::integer,
            new_urgent = a.new_urgent - (m.status = 0 AND m.urgent)::integer,
            old_n = a.old_n - (m.status = 1)::integer,
            old_urgent = a.old_urgent - (m.status = 1 AND m.urgent)::integer,
            length_ms = a.length_ms - m.length_ms,
            bytes = a.bytes - m.size
        WHERE number = p_from RETURNING a.version, version INTO from_old, from_new;
    UPDATE voicemail.mailbox SET
            version = voicemail.next_version(b.version),
            new_n = b.new_n + 1,
            new_urgent = b.new_urgent + m.urgent::integer,
            length_ms = b.length_ms + m.length_ms,
            bytes = b.bytes + m.size
        WHERE number = p_to RETURNING b.version, version INTO to_old, to_new;
    outcome := 0;
END $$;
