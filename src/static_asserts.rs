//! Properties of the public types that the compiler checks: traits are dyn safe, and types can be sent to and shared by other threads.

/// Compiles if `T`, which may be a trait object, is `Send` and `Sync`.
const fn send_sync<T: Send + Sync + ?Sized>() {}

/// Names each trait as a trait object, and requires that each type is `Send` and `Sync`.
macro_rules! assert_send_sync {
    ($($name:ty),* $(,)?) => {
        const _: () = {
            $(send_sync::<$name>();)*
        };
    };
}

assert_send_sync!(
    dyn crate::clock::Clock,
    dyn crate::directory::Directory,
    dyn crate::forward::Forwarder,
    dyn crate::forward::MailOut,
    dyn crate::greeting::GreetingStore,
    dyn crate::greeting::GreetingStoreExt,
    dyn crate::message::AudioSource,
    dyn crate::message::MailFile,
    dyn crate::mwi::LampLease,
    dyn crate::mwi::MwiSink,
    dyn crate::mwi::MwiSource,
    dyn crate::network::GraceRule,
    dyn crate::network::NetworkObserver,
    dyn crate::rules::RuleStore,
    dyn crate::store::CopyableStore,
    dyn crate::store::MessageStore,
    dyn crate::store::MessageStoreExt,
    dyn crate::store::StagedMail,
    dyn crate::store::StoreWrapper<Inner = dyn crate::store::MessageStore>,
);

assert_send_sync!(
    crate::message::Audio,
    crate::message::Head,
    crate::message::Message,
    crate::network::Network,
    crate::store::Cursor,
    crate::store::ImportedMessage,
    crate::store::Page,
    crate::store::Query,
    crate::store::StoreError,
);

#[cfg(feature = "memory")]
assert_send_sync!(crate::clock::ManualClock, crate::store::MemoryStore);

#[cfg(feature = "wire")]
assert_send_sync!(dyn crate::voice::Voice, crate::voice::Voices);

#[cfg(feature = "node")]
assert_send_sync!(dyn crate::jobs::JobStore, crate::jobs::FolderJobs, crate::jobs::Job);

#[cfg(feature = "fs")]
assert_send_sync!(
    dyn crate::disk::Disk,
    dyn crate::disk::DiskFile,
    dyn crate::disk::Watcher,
    crate::disk::OsDisk,
    crate::disk::SharedFlush,
    crate::store::MaildirStore,
    crate::store::MaildirStoreBuilder,
);

#[cfg(feature = "node")]
assert_send_sync!(
    dyn crate::greeting::GreetingKeeper,
    crate::node::Node,
    crate::node::NodeBuilder,
    crate::outbox::Outbox,
    crate::record::Recording,
    crate::spool::Spool,
);

#[cfg(feature = "smtp")]
assert_send_sync!(
    dyn crate::forward::smtp::ByteStream,
    dyn crate::forward::smtp::Dial,
    dyn crate::forward::smtp::TokenSource,
    crate::forward::SmtpForwarder,
    crate::intake::Intake,
);

#[cfg(feature = "sip")]
assert_send_sync!(crate::sip::SipNotifier, crate::sip::SipSink);
