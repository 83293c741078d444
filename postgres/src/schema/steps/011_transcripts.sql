-- The transcript of a message, if it has one: in the row of the message, so that it is moved and deleted with it.
ALTER TABLE voicemail.message
    ADD COLUMN transcript            text,
    ADD COLUMN transcript_engine     text,
    ADD COLUMN transcript_language   text,
    ADD COLUMN transcript_confidence real;
