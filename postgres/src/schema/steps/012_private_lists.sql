-- The private lists of owners.
CREATE TABLE voicemail.private_list (
    owner   text NOT NULL,              -- the mailbox of the owner
    number  smallint NOT NULL,          -- 1 to 20
    name    text NOT NULL,
    members text[] NOT NULL,            -- mailboxes and distribution lists, in their order
    PRIMARY KEY (owner, number)
);
