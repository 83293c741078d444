-- The newest edition of each greeting. A row without a sound is a removal: it keeps older editions from coming back.
CREATE TABLE voicemail.greeting (
    mailbox    text NOT NULL,
    kind       text NOT NULL,
    version    bigint NOT NULL,             -- microseconds since 1970
    digest     bytea,                       -- SHA-256 of the sound
    ends       timestamptz,
    media      text,
    sound      bytea,
    is_damaged boolean NOT NULL DEFAULT false,
    PRIMARY KEY (mailbox, kind),
    CHECK ((digest IS NULL) = (sound IS NULL) AND (digest IS NULL) = (media IS NULL))
);
ALTER TABLE voicemail.greeting ALTER COLUMN sound SET STORAGE EXTERNAL;

-- Keeps an edition, if it is newer than the one that is there. Of two sounds of one version the one with the greater digest is newer, and a removal
-- is less than any sound. A damaged one counts as none. Answers whether it was kept.
CREATE FUNCTION voicemail.put_greeting(
    p_mailbox text, p_kind text, p_version bigint, p_digest bytea, p_ends timestamptz, p_media text, p_sound bytea
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO voicemail.greeting AS g (mailbox, kind, version, digest, ends, media, sound)
        VALUES (p_mailbox, p_kind, p_version, p_digest, p_ends, p_media, p_sound)
        ON CONFLICT (mailbox, kind) DO UPDATE SET
            version = excluded.version, digest = excluded.digest, ends = excluded.ends, media = excluded.media, sound = excluded.sound,
            is_damaged = false
        WHERE g.is_damaged OR (g.version, coalesce(g.digest, '')) < (excluded.version, coalesce(excluded.digest, ''));
    RETURN FOUND;
END $$;
