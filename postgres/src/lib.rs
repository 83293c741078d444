//! The mailboxes of [`voicemail`] in PostgreSQL, with long sounds in an object store, for several central nodes at once.

pub mod sounds;
