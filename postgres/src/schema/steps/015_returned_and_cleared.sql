-- A message that another system had reported as delivered may come back: state 4, after 2 delivered and before 3 ended.
CREATE OR REPLACE FUNCTION voicemail.merge_sent_copies(
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
            WHERE c.state <> 3 AND (excluded.state = 3 OR c.state < excluded.state)
$$;

-- Deletes what the owner of a mailbox has chosen: PIN, greetings, rules, private lists, and the list of sent messages. Of a greeting, a removal stays,
-- which keeps its copies at other nodes from coming back.
CREATE FUNCTION voicemail.clear_choices(p_mailbox text) RETURNS void LANGUAGE sql VOLATILE AS $$
    DELETE FROM voicemail.pin WHERE mailbox = p_mailbox;
    DELETE FROM voicemail.owner_rules WHERE mailbox = p_mailbox;
    DELETE FROM voicemail.private_list WHERE owner = p_mailbox;
    DELETE FROM voicemail.sent_message WHERE owner = p_mailbox;
    UPDATE voicemail.greeting
        SET version = voicemail.next_version(version), digest = NULL, ends = NULL, media = NULL, sound = NULL, is_damaged = false
        WHERE mailbox = p_mailbox AND (digest IS NOT NULL OR is_damaged);
$$;

-- Deletes the messages of a mailbox and all that its owner has chosen, so that the number can have another owner. Its row stays: each node sees in its
-- version that the lamp goes out.
CREATE FUNCTION voicemail.clear_mailbox(p_mailbox text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM voicemail.lock_mailbox(p_mailbox, false);
    PERFORM voicemail.delete_message(p_mailbox, false, id) FROM voicemail.message WHERE mailbox = p_mailbox;
    PERFORM voicemail.clear_choices(p_mailbox);
END $$;

-- With the row of a mailbox, all choices of its owner are deleted; the trigger before this one deleted the list of sent messages alone.
DROP TRIGGER delete_sent ON voicemail.mailbox;
DROP FUNCTION voicemail.delete_sent_of_mailbox;
CREATE FUNCTION voicemail.clear_choices_of_deleted() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM voicemail.clear_choices(OLD.number);
    RETURN NULL;
END $$;
CREATE TRIGGER clear_choices AFTER DELETE ON voicemail.mailbox FOR EACH ROW EXECUTE FUNCTION voicemail.clear_choices_of_deleted();
