-- The messages that owners have sent and follow. The newest of each owner are kept, for some time.
CREATE TABLE voicemail.sent_message (
    owner     text NOT NULL,            -- the mailbox of the owner
    id        uuid NOT NULL,
    sent_ns   bigint NOT NULL,          -- nanoseconds since 1970
    length_ms bigint NOT NULL,
    PRIMARY KEY (owner, id)
);
-- For the list of an owner, and for its oldest messages.
CREATE INDEX sent_message_of_owner ON voicemail.sent_message (owner, sent_ns, id);
-- For those that are too old, of all owners.
CREATE INDEX sent_message_oldest ON voicemail.sent_message (sent_ns);

-- What became of a sent message in each mailbox. A state with a higher number is a later one.
CREATE TABLE voicemail.sent_copy (
    owner       text NOT NULL,
    message     uuid NOT NULL,
    mailbox     text NOT NULL,
    place       integer NOT NULL,       -- its place among the mailboxes of the message
    id          uuid NOT NULL,          -- the id of the message in this mailbox
    state       smallint NOT NULL,      -- 0 being sent, 1 not delivered, 2 delivered, 3 ended
    disposition text,                   -- of one that has ended
    ended_ns    bigint,                 -- nanoseconds since 1970
    PRIMARY KEY (owner, message, mailbox),
    FOREIGN KEY (owner, message) REFERENCES voicemail.sent_message ON DELETE CASCADE,
    CHECK ((state = 3) = (disposition IS NOT NULL) AND (state = 3) = (ended_ns IS NOT NULL))
);
-- For a receipt, which names the message by its id in a mailbox.
CREATE INDEX sent_copy_in_mailbox ON voicemail.sent_copy (owner, mailbox, id);
-- For what another system reports, which names nothing but that id.
CREATE INDEX sent_copy_by_id ON voicemail.sent_copy (id);

-- Adds mailboxes to a sent message, each once in p_mailboxes, and takes in the later states of those that it has. The caller has locked the message.
CREATE FUNCTION voicemail.merge_sent_copies(
    p_owner text, p_message uuid, p_mailboxes text[], p_ids uuid[], p_states smallint[], p_dispositions text[], p_ended_ns bigint[]
) RETURNS void LANGUAGE sql VOLATILE AS $$
    INSERT INTO voicemail.sent_copy AS c (owner, message, mailbox, place, id, state, disposition, ended_ns)
        SELECT p_owner, p_message, x.mailbox,
            (x.at + (SELECT coalesce(max(place), 0) FROM voicemail.sent_copy WHERE owner = p_owner AND message = p_message))::integer,
            x.id, x.state, x.disposition, x.ended_ns
        FROM unnest(p_mailboxes, p_ids, p_states, p_dispositions, p_ended_ns)
            WITH ORDINALITY AS x (mailbox, id, state, disposition, ended_ns, at)
        ON CONFLICT (owner, message, mailbox) DO UPDATE
            SET id = excluded.id, state = excluded.state, disposition = excluded.disposition, ended_ns = excluded.ended_ns
            WHERE c.state < excluded.state
$$;

-- Keeps a sent message, or merges it with the one that is kept. Of the owner's messages, the newest p_most stay, and none that was sent before p_before_ns.
CREATE FUNCTION voicemail.record_sent(
    p_owner text, p_id uuid, p_sent_ns bigint, p_length_ms bigint,
    p_mailboxes text[], p_ids uuid[], p_states smallint[], p_dispositions text[], p_ended_ns bigint[],
    p_most bigint, p_before_ns bigint
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Whoever changes a message locks its row first, so that of two calls at once none undoes the other.
    INSERT INTO voicemail.sent_message (owner, id, sent_ns, length_ms) VALUES (p_owner, p_id, p_sent_ns, p_length_ms)
        ON CONFLICT (owner, id) DO UPDATE SET owner = excluded.owner;
    PERFORM voicemail.merge_sent_copies(p_owner, p_id, p_mailboxes, p_ids, p_states, p_dispositions, p_ended_ns);
    -- One that another call has locked is deleted the next time.
    DELETE FROM voicemail.sent_message WHERE owner = p_owner AND id IN (
        SELECT id FROM voicemail.sent_message
        WHERE owner = p_owner AND (sent_ns < p_before_ns OR (sent_ns, id) < (
            SELECT sent_ns, id FROM voicemail.sent_message WHERE owner = p_owner ORDER BY sent_ns DESC, id DESC LIMIT 1 OFFSET p_most - 1))
        FOR UPDATE SKIP LOCKED);
END $$;

-- Records a state of a message in a mailbox. The newest message counts that has this id itself or in this mailbox, and was not sent before p_before_ns.
CREATE FUNCTION voicemail.settle_sent(
    p_owner text, p_mailbox text, p_id uuid, p_state smallint, p_disposition text, p_ended_ns bigint, p_before_ns bigint
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    sent uuid;
BEGIN
    SELECT m.id INTO sent FROM voicemail.sent_message m
        WHERE m.owner = p_owner AND m.sent_ns >= p_before_ns AND m.id IN (
            SELECT p_id UNION ALL SELECT c.message FROM voicemail.sent_copy c WHERE c.owner = p_owner AND c.mailbox = p_mailbox AND c.id = p_id)
        ORDER BY m.sent_ns DESC, m.id DESC LIMIT 1 FOR NO KEY UPDATE;
    IF FOUND THEN
        PERFORM voicemail.merge_sent_copies(
            p_owner, sent, ARRAY[p_mailbox], ARRAY[p_id], ARRAY[p_state], ARRAY[p_disposition], ARRAY[p_ended_ns]);
    END IF;
END $$;

-- With its mailbox, the list of an owner is deleted.
CREATE FUNCTION voicemail.delete_sent_of_mailbox() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    DELETE FROM voicemail.sent_message WHERE owner = OLD.number;
    RETURN NULL;
END $$;
CREATE TRIGGER delete_sent AFTER DELETE ON voicemail.mailbox FOR EACH ROW EXECUTE FUNCTION voicemail.delete_sent_of_mailbox();
