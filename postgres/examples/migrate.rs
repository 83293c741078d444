//! Copies mailboxes from Maildirs into PostgreSQL, or back, with what their owners have chosen.
//!
//! Run: `cargo run -p voicemail-postgres --example migrate -- FOLDER postgres://voicemail@localhost/voicemail`, or with the two the other way round. You
//! will see `2 mailboxes: 5 messages copied, ..` and `compared: ..`, then a line for each other folder that you name.
//!
//! Run it while nodes use the first store, as often as you like: it copies what the second one lacks. Then end the nodes, so that senders keep their
//! messages, run it once more, and start the nodes on the second store. With `--contents` it reads and compares every message, too. It ends with an error
//! if the two sides differ.
//!
//! `--greetings`, `--pins`, `--rules`, `--lists` and `--sent` name the folders that belong to the Maildirs. Four are for the last time,
//! half a minute after the nodes have ended, because jobs that wait or are parked are moved, not copied: `--mails`, `--steps` and `--warnings`, the folders
//! `outbox`, `steps` and `warnings` of the node's spool, and `--hooks`, the one of its web hooks. With `--steps`, the arrivals in the store whose steps are not
//! done are moved, too. `--sounds URL` is the object store that belongs to the
//! database, and `--ca FILE.pem` has the certificates that its servers must show. The variable `PGPASSWORD` has the password of the database role.

#[path = "support/database.rs"]
mod database;
#[path = "support/migrate_options.rs"]
mod options;
#[path = "../../examples/support/mod.rs"]
mod support;

use std::fmt::Display;
use std::process::ExitCode;

use options::Options;
use support::{Failure, explain};
use voicemail::clock::{Clock as _, SystemClock};
use voicemail::directory::{ListFolder, ListStore, copy_lists};
use voicemail::disk::OsDisk;
use voicemail::greeting::{GreetingFolder, GreetingStore, copy_greetings};
use voicemail::jobs::{FolderJobs, JobKind, JobStore, move_jobs_of_kinds};
use voicemail::rules::{FolderRules, RuleStore, copy_rules};
use voicemail::sent::{SentFolder, SentStore, copy_sent};
use voicemail::store::{Compared, CopyableStore, MaildirStore, Migration, MigrationReport, PendingArrivals, move_arrivals};
use voicemail::telephone::{CopyablePins, PinFolder, copy_pins};
use voicemail_postgres::sounds::SoundStore;
use voicemail_postgres::{
    Database, PostgresGreetings, PostgresJobs, PostgresLists, PostgresPins, PostgresRules, PostgresSent, PostgresStore,
};

fn main() -> ExitCode {
    support::program::main(run())
}

async fn run() -> Result<ExitCode, Failure> {
    let options = Options::of(std::env::args().skip(1))?;
    let maildir = MaildirStore::builder(&options.folder).open().await?;
    let database = database::builder(&options.database, options.path("ca"))?.connect().await?;
    let mut store = PostgresStore::builder(&database);
    if let Some(url) = options.value("sounds") {
        store = store.sounds(SoundStore::builder(url).build()?);
    }
    let store = store.build();
    let (source, target) = ordered::<dyn CopyableStore>(&maildir, &store, options.back);
    let mut migration = Migration::new(source, target);
    let copied = migration.copy().await;
    println!("{}", migration.report());
    copied?;
    let compared = migration.compare(if options.contents { Compared::Contents } else { Compared::Keys }).await?;
    println!("compared: {} the same, {} not", compared.unchanged, compared.fault_count);
    print_faults(migration.report());
    print_faults(&compared);
    let is_clean = migration.report().is_clean() && compared.is_clean();
    let is_clean = copy_choices(&options, &database).await? && is_clean;
    // Steps are done for messages that are there.
    if is_clean && options.path("steps").is_some() {
        let arrivals = ordered::<dyn PendingArrivals>(&maildir, &store, options.back);
        println!("{} arrivals moved", move_arrivals(arrivals.0, arrivals.1).await?);
    }
    move_waiting(&options, &database).await?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Copies what is beside the mailboxes; returns whether all of it is in the target now.
async fn copy_choices(options: &Options, database: &Database) -> Result<bool, Failure> {
    let (mut is_clean, back) = (true, options.back);
    if let Some(folder) = options.path("greetings") {
        let (folder, rows) = (GreetingFolder::open(OsDisk, folder).await?, PostgresGreetings::new(database));
        let (source, target) = ordered::<dyn GreetingStore>(&folder, &rows, back);
        let copied = copy_greetings(source, target).await?;
        is_clean &= print(&copied, copied.damaged.is_empty());
    }
    if let Some(folder) = options.path("pins") {
        let (folder, rows) = (PinFolder::open(OsDisk, folder).await?, PostgresPins::new(database));
        let (source, target) = ordered::<dyn CopyablePins>(&folder, &rows, back);
        is_clean &= print(&copy_pins(source, target).await?, true);
    }
    if let Some(folder) = options.path("rules") {
        let (folder, rows) = (FolderRules::open(OsDisk, folder).await?, PostgresRules::new(database));
        let (source, target) = ordered::<dyn RuleStore>(&folder, &rows, back);
        let copied = copy_rules(source, target).await?;
        is_clean &= print(&copied, copied.is_clean());
    }
    if let Some(folder) = options.path("lists") {
        let (folder, rows) = (ListFolder::open(OsDisk, folder).await?, PostgresLists::new(database));
        let (source, target) = ordered::<dyn ListStore>(&folder, &rows, back);
        let copied = copy_lists(source, target).await?;
        is_clean &= print(&copied, copied.is_clean());
    }
    if let Some(folder) = options.path("sent") {
        let (folder, rows) = (SentFolder::open(OsDisk, folder).await?, PostgresSent::new(database));
        let (source, target) = ordered::<dyn SentStore>(&folder, &rows, back);
        let copied = copy_sent(source, target, SystemClock.now().instant).await?;
        is_clean &= print(&copied, copied.is_clean());
    }
    Ok(is_clean)
}

/// Whether jobs of a kind are in a folder.
type IsWanted = fn(&JobKind) -> bool;

/// Moves the jobs that wait or are parked.
async fn move_waiting(options: &Options, database: &Database) -> Result<(), Failure> {
    let kinds: [(&str, IsWanted); 4] = [
        ("mails", |kind| *kind == JobKind::MAIL),
        ("steps", JobKind::is_of_step),
        ("warnings", |kind| [JobKind::WARNING, JobKind::AGE_WARNING].contains(kind)),
        ("hooks", |kind| [JobKind::WEBHOOK, JobKind::WEBHOOK_DISABLED].contains(kind)),
    ];
    for (flag, is_wanted) in kinds {
        let Some(folder) = options.path(flag) else { continue };
        let (folder, rows) = (FolderJobs::open(OsDisk, folder).await?, PostgresJobs::new(database));
        let (source, target) = ordered::<dyn JobStore>(&folder, &rows, options.back);
        println!("{flag}: {}", move_jobs_of_kinds(source, target, is_wanted).await?);
    }
    Ok(())
}

/// The source and the target.
fn ordered<'a, T: ?Sized>(folder: &'a T, database: &'a T, back: bool) -> (&'a T, &'a T) {
    if back { (database, folder) } else { (folder, database) }
}

fn print(copied: &dyn Display, is_clean: bool) -> bool {
    println!("{copied}");
    is_clean
}

fn print_faults(report: &MigrationReport) {
    for fault in &report.faults {
        eprintln!("{}", explain(fault));
    }
}
