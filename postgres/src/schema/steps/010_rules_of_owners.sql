-- The rules that owners have changed, one row a mailbox. A mailbox without a row has the rules of the directory.
CREATE TABLE voicemail.owner_rules (
    mailbox text PRIMARY KEY,
    rules   text NOT NULL               -- their text form
);

-- The version of rules that are written in their usual form. Others, such as those that an operator has written, have another one here.
CREATE FUNCTION voicemail.rules_version(p_rules text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT left(encode(sha256(convert_to(p_rules, 'UTF8')), 'hex'), 32)
$$;

-- Replaces the rules of a mailbox if they have the version p_expected, null if there are none; without p_rules, their row is deleted. If nothing
-- was changed, answers what is there, unless that is gone by now.
CREATE FUNCTION voicemail.replace_rules(
    p_mailbox text, p_rules text, p_expected text, OUT is_done boolean, OUT there_version text, OUT there_rules text
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_expected IS NOT NULL AND p_rules IS NOT NULL THEN
        UPDATE voicemail.owner_rules SET rules = p_rules WHERE mailbox = p_mailbox AND voicemail.rules_version(rules) = p_expected;
        is_done := FOUND;
    ELSIF p_expected IS NOT NULL THEN
        DELETE FROM voicemail.owner_rules WHERE mailbox = p_mailbox AND voicemail.rules_version(rules) = p_expected;
        is_done := FOUND;
    ELSIF p_rules IS NOT NULL THEN
        INSERT INTO voicemail.owner_rules (mailbox, rules) VALUES (p_mailbox, p_rules) ON CONFLICT DO NOTHING;
        is_done := FOUND;
    ELSE
        is_done := NOT EXISTS (SELECT FROM voicemail.owner_rules WHERE mailbox = p_mailbox);
    END IF;
    IF NOT is_done THEN
        SELECT voicemail.rules_version(rules), rules INTO there_version, there_rules FROM voicemail.owner_rules WHERE mailbox = p_mailbox;
    END IF;
END $$;
