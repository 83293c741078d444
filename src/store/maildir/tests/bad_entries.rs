//! Entries that cannot be messages, among messages.

use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::disk::{Listing, Watcher};

/// The operating system's disk, which lets nobody read what has `denied` in its name, and nobody write what has `readable` in it; it may
/// tell of no change.
#[derive(Debug, Clone, Copy)]
struct Denying {
    tells: bool,
}

impl Disk for Denying {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        if has_in_name(path, "denied") || has_in_name(path, "readable") {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        OsDisk.open(path)
    }
    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        if has_in_name(path, "denied") {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        OsDisk.open_to_read(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        OsDisk.create(path)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.link(from, to)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.sync_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(path)
    }
    fn list_files(&self, path: &Path) -> io::Result<Listing> {
        OsDisk.list_files(path)
    }
    fn is_file(&self, path: &Path) -> io::Result<bool> {
        OsDisk.is_file(path)
    }
    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        OsDisk.free_space(path)
    }
    fn watch(&self, path: &Path) -> io::Result<Box<dyn Watcher>> {
        if self.tells { OsDisk.watch(path) } else { Err(io::ErrorKind::Unsupported.into()) }
    }
}

fn has_in_name(path: &Path, text: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(text))
}

/// An entry that may be among the messages of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    OwnMessage,
    OtherMessage,
    Folder,
    Socket,
    Pipe,
    Dangling,
    Loop,
    LinkToMessage,
    Denied,
    Hidden,
}

fn what() -> impl Strategy<Value = What> {
    use What::*;
    prop_oneof![
        3 => Just(OwnMessage), 3 => Just(OtherMessage), 1 => Just(Folder), 1 => Just(Socket), 1 => Just(Pipe),
        1 => Just(Dangling), 1 => Just(Loop), 1 => Just(LinkToMessage), 1 => Just(Denied), 1 => Just(Hidden),
    ]
}

/// A mailbox, and what has been put into it.
struct Setup {
    folder: tempfile::TempDir,
    store: MaildirStore,
    good: usize,
    bad: Vec<PathBuf>,
    sockets: Vec<UnixListener>,
}

impl Setup {
    async fn new(tells: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Denying { tells });
        let store = MaildirStore::builder(folder.path().join("store")).disk(disk).max_messages(1000).open().await.unwrap();
        store.create_mailbox(&mailbox("2041")).await.unwrap();
        Self { folder, store, good: 0, bad: Vec::new(), sockets: Vec::new() }
    }

    fn mailbox(&self) -> PathBuf {
        self.folder.path().join("store/mail/2041")
    }

    /// Puts the `n`'th thing into the mailbox, under a name as this store gives them or as another program does.
    async fn put(&mut self, n: usize, what: What, in_new: bool, own_name: bool) {
        let base = if own_name {
            let (id, key) = (MessageId::random(), MessageId::random());
            format!("1743296380.{id}{key}N5L1500B100.host")
        } else {
            format!("174329638{n}.M1P{n}.host")
        };
        let base = match what {
            What::Denied => format!("{n}.denied"),
            What::Hidden => format!(".{base}"),
            _ => base,
        };
        let path = self.mailbox().join(if in_new { format!("new/{base}") } else { format!("cur/{base}:2,") });
        match what {
            What::OwnMessage => drop(deposit(&self.store, &message(&[1; 100])).await.unwrap()),
            What::OtherMessage => self.copy_of_a_message(&self.mailbox().join(format!("new/174329639{n}.M2P{n}.host"))).await,
            What::Folder => fs::create_dir(&path).unwrap(),
            What::Socket => self.sockets.push(bind(&path)),
            What::Pipe => mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
            What::Dangling => symlink("/nowhere/at/all", &path).unwrap(),
            What::Loop => symlink(path.file_name().unwrap(), &path).unwrap(),
            What::LinkToMessage => {
                let elsewhere = self.folder.path().join(format!("elsewhere{n}"));
                self.copy_of_a_message(&elsewhere).await;
                symlink(&elsewhere, &path).unwrap();
            }
            What::Denied | What::Hidden => self.copy_of_a_message(&path).await,
        }
        match what {
            What::OwnMessage | What::OtherMessage => self.good += 1,
            What::Hidden => {}
            _ => self.bad.push(path),
        }
    }

    /// Puts a mail with a sound at `path`, by a rename, as programs do.
    async fn copy_of_a_message(&self, path: &Path) {
        let (other, id) = (self.folder.path().join("other"), message(&[2; 100]));
        let store = open(&other).await;
        deposit(&store, &id).await.unwrap();
        let new = other.join("mail/2041/new");
        fs::rename(new.join(names(new.clone()).remove(0)), path).unwrap();
    }

    /// Checks that the good messages are there, and nothing else, in every store.
    async fn check(&self) -> Result<(), TestCaseError> {
        let summary = self.store.summary(&mailbox("2041")).await.unwrap();
        prop_assert_eq!(summary.new as usize, self.good);
        let listed = list(&self.store).await;
        prop_assert_eq!(listed.len(), self.good);
        for (id, _) in listed {
            prop_assert_eq!(sound(&self.store, id).await.len(), 100);
        }
        self.store.check(&mailbox("2041"), 100).await.unwrap();
        Ok(())
    }

    /// Checks that each bad entry has been reported, and none twice.
    async fn check_reported(&self) -> Result<(), TestCaseError> {
        let mut reported: Vec<_> = self.store.housekeep().await.unwrap().bad_entries.into_iter().map(|bad| bad.path).collect();
        let mut bad = self.bad.clone();
        reported.sort();
        bad.sort();
        prop_assert_eq!(reported, bad);
        self.check().await?;
        prop_assert_eq!(self.store.housekeep().await.unwrap().bad_entries, vec![]);
        Ok(())
    }
}

/// A socket at `path`; its name is longer than the system lets a socket be bound to.
fn bind(path: &Path) -> UnixListener {
    let short = tempfile::Builder::new().tempdir_in(path.ancestors().nth(4).unwrap()).unwrap();
    let listener = UnixListener::bind(short.path().join("s")).unwrap();
    fs::rename(short.path().join("s"), path).unwrap();
    listener
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn messages_among_entries_of_every_kind_stay_right(
        tells: bool, entries in proptest::collection::vec((what(), any::<bool>(), any::<bool>()), 1..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut setup = Setup::new(tells).await;
            for (n, (what, in_new, own_name)) in entries.into_iter().enumerate() {
                setup.put(n, what, in_new, own_name).await;
                setup.check().await?;
            }
            setup.check_reported().await?;
            for (id, _) in list(&setup.store).await {
                setup.store.mark(&mailbox("2041"), id, Status::Removed).await.unwrap();
            }
            prop_assert_eq!(setup.store.expunge(&mailbox("2041")).await.unwrap(), setup.good);
            setup.good = 0;
            setup.check().await
        })?;
    }
}

#[tokio::test]
async fn a_message_that_may_be_read_again_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = MaildirStore::builder(folder.path()).disk(Arc::new(Denying { tells: true })).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    deposit(&store, &message(b"denied for a while")).await.unwrap();
    let new = folder.path().join("mail/2041/new");
    fs::rename(new.join(names(new.clone()).remove(0)), new.join("1.denied")).unwrap();
    assert_eq!(summary(&store).await, "0/0 (0/0)");
    fs::rename(new.join("1.denied"), new.join("1.allowed")).unwrap();
    assert_eq!((summary(&store).await, list(&store).await.len()), ("1/0 (0/0)".to_owned(), 1));
}

#[tokio::test]
async fn another_users_message_that_may_be_read_is_a_message() {
    let mut setup = Setup::new(true).await;
    setup.copy_of_a_message(&setup.mailbox().join("new/1.readable")).await;
    setup.good += 1;
    setup.check().await.unwrap();
    setup.check_reported().await.unwrap();
}

#[tokio::test]
async fn a_message_of_ours_that_may_not_be_read_is_listed_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = MaildirStore::builder(folder.path()).disk(Arc::new(Denying { tells: true })).host("denied").open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    let message = urgent(b"put here by this store");
    deposit(&store, &message).await.unwrap();
    assert_eq!(summary(&store).await, "1/0 (1/0)");
    assert_eq!(list(&store).await, [(message.id(), Status::New)]);
    assert!(matches!(store.retrieve(&mailbox("2041"), message.id()).await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.housekeep().await.unwrap().bad_entries.len(), 1);
}

#[tokio::test]
async fn a_missing_folder_of_a_mailbox_is_created_again() {
    for tells in [true, false] {
        let setup = Setup::new(tells).await;
        deposit(&setup.store, &message(b"before")).await.unwrap();
        for missing in ["cur", "tmp", "new"] {
            fs::remove_dir_all(setup.mailbox().join(missing)).unwrap();
            let kept = message(b"after");
            deposit(&setup.store, &kept).await.unwrap();
            assert!(list(&setup.store).await.contains(&(kept.id(), Status::New)), "{missing}");
            setup.store.mark(&mailbox("2041"), kept.id(), Status::Old).await.unwrap();
        }
        fs::remove_dir_all(setup.folder.path().join("store/arrivals/2041")).unwrap();
        let kept = message(b"without arrivals");
        deposit(&setup.store, &kept).await.unwrap();
        assert_eq!(deposit(&setup.store, &kept).await.unwrap(), Deposit::Duplicate);
        assert_eq!(setup.store.housekeep().await.unwrap().bad_entries, []);
    }
}

#[tokio::test]
async fn a_folder_that_leads_nowhere_is_skipped_and_reported_once() {
    for tells in [true, false] {
        let setup = Setup::new(tells).await;
        let cur = setup.mailbox().join("cur");
        fs::remove_dir(&cur).unwrap();
        symlink("/nowhere/at/all", &cur).unwrap();
        let kept = message(b"kept");
        deposit(&setup.store, &kept).await.unwrap();
        assert_eq!(list(&setup.store).await, [(kept.id(), Status::New)]);
        let reported = setup.store.housekeep().await.unwrap().bad_entries;
        assert_eq!(reported.iter().map(|bad| &bad.path).collect::<Vec<_>>(), [&cur]);
    }
}

#[tokio::test]
async fn a_bad_mailbox_stops_no_housekeeping_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let retention = Retention { old: Some(Duration::from_secs(1)), ..Retention::default() };
    let store = MaildirStore::builder(folder.path()).retention(retention).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    let message = message(b"old");
    deposit(&store, &message).await.unwrap();
    store.mark(&mailbox("2041"), message.id(), Status::Old).await.unwrap();
    for bad in ["mail/1000", "arrivals/1001", "staging/00000000000000000000000000000001"] {
        fs::write(folder.path().join(bad), "no folder").unwrap();
    }
    symlink("1002", folder.path().join("mail/1002")).unwrap();
    fs::create_dir(folder.path().join("staging").join(MessageId::random().to_string())).unwrap();
    let done = store.housekeep().await.unwrap();
    assert_eq!(done.mailboxes, [mailbox("2041")]);
    assert_eq!(done.bad_entries.len(), 4, "{:?}", done.bad_entries);
    assert!(store.summary(&mailbox("1000")).await.is_err(), "it is no empty mailbox");
    MaildirStore::builder(folder.path()).open().await.unwrap();
}
