-- The PINs of mailboxes, and the counts of wrong PINs.

-- attempts is a text that the program reads; it is only ever replaced as a whole, by one that was made from it.
CREATE TABLE voicemail.pin (
    mailbox   text PRIMARY KEY,
    hash      text NOT NULL,
    first_use boolean NOT NULL,             -- opens the mailbox until its owner has chosen another
    attempts  text NOT NULL DEFAULT '0 wrong'
);

-- Telephones that have entered wrong PINs, by a digest of their number.
CREATE TABLE voicemail.pin_caller (
    caller    bytea PRIMARY KEY,
    attempts  text NOT NULL,
    at        timestamptz NOT NULL          -- the last attempt
);

-- Replaces the counts of a mailbox and of a telephone, if the mailbox still has the PIN and both still have the counts that the new ones were
-- made from. A mailbox or a telephone that is null is left alone; a telephone without a count has none before. Answers whether it was done.
--
-- The mailbox is locked before the telephone in all functions, so that two of them never wait for each other.
CREATE FUNCTION voicemail.count_pin_attempt(
    p_mailbox text, p_hash text, p_before text, p_after text, p_caller bytea, p_caller_before text, p_caller_after text
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_mailbox IS NOT NULL THEN
        PERFORM FROM voicemail.pin WHERE mailbox = p_mailbox AND hash = p_hash AND attempts = p_before FOR UPDATE;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    END IF;
    IF p_caller IS NOT NULL THEN
        IF p_caller_before IS NULL THEN
            INSERT INTO voicemail.pin_caller (caller, attempts, at) VALUES (p_caller, p_caller_after, now()) ON CONFLICT DO NOTHING;
        ELSE
            -- Not inserted if it is gone: then a right PIN has taken back what the new count was made from.
            UPDATE voicemail.pin_caller SET attempts = p_caller_after, at = now() WHERE caller = p_caller AND attempts = p_caller_before;
        END IF;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    END IF;
    UPDATE voicemail.pin SET attempts = p_after WHERE mailbox = p_mailbox;
    RETURN true;
END $$;

-- Clears the count of a mailbox, and replaces that of a telephone if it is still the one before; without one after, it has none any more.
-- Answers whether the telephone's was replaced.
CREATE FUNCTION voicemail.forgive_pin_attempt(p_mailbox text, p_caller bytea, p_caller_before text, p_caller_after text)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE voicemail.pin SET attempts = '0 wrong' WHERE mailbox = p_mailbox;
    IF p_caller_after IS NULL THEN
        DELETE FROM voicemail.pin_caller WHERE caller = p_caller AND attempts = p_caller_before;
    ELSE
        UPDATE voicemail.pin_caller SET attempts = p_caller_after WHERE caller = p_caller AND attempts = p_caller_before;
    END IF;
    RETURN FOUND;
END $$;
