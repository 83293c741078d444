-- Jobs that wait for a destination, and jobs that were given up and wait for an operator.
ALTER TABLE voicemail.job
    ADD COLUMN taken  boolean NOT NULL DEFAULT false, -- a worker has the job, until it is due
    ADD COLUMN destination   text,                           -- the destination that the job waits for; it is due when this destination is released
    ADD COLUMN reason text;                           -- why it was given up, with state 2: parked, for an operator
CREATE INDEX job_destination ON voicemail.job (kind, destination, queued_at, key) WHERE state = 0 AND destination IS NOT NULL;
CREATE INDEX job_parked ON voicemail.job (kind, queued_at, key) WHERE state = 2;

-- Messages that arrived and that no node has dealt with yet, if a node has steps for them. The row comes in the transaction of the message.
CREATE TABLE voicemail.arrival (
    mailbox text NOT NULL,
    id      uuid NOT NULL,
    free_at timestamptz NOT NULL,           -- until then, one node deals with it
    PRIMARY KEY (mailbox, id)
) WITH (fillfactor = 70);
CREATE INDEX arrival_free ON voicemail.arrival (free_at);
