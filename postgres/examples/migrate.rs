//! Copies mailboxes from Maildirs into PostgreSQL, or back.
//!
//! Run: `cargo run -p voicemail-postgres --example migrate -- FOLDER postgres://voicemail@localhost/voicemail`, or with the two the other way round. You
//! will see `2 mailboxes: 5 messages copied, ..` and `compared: ..`.
//!
//! Run it while nodes use the first store, as often as you like: it copies what the second one lacks. Then end the nodes, so that senders keep their
//! messages, run it once more, and start the nodes on the second store. With `--contents` it reads and compares every message, too.
//! `--greetings FOLDER` and `--pins FOLDER` name the folders of greetings and PINs that belong to the Maildirs, and `--sounds URL` the object store
//! that belongs to the database. The variable `PGPASSWORD` has the password of the database role.

#[path = "../../examples/support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::ExitCode;

use support::{Failure, explain};
use voicemail::disk::OsDisk;
use voicemail::greeting::{GreetingFolder, GreetingStore, copy_greetings};
use voicemail::store::{Compared, CopyableStore, MaildirStore, Migration, MigrationReport};
use voicemail::telephone::{CopyablePins, PinFolder, copy_pins};
use voicemail_postgres::sounds::SoundStore;
use voicemail_postgres::{Database, PostgresGreetings, PostgresPins, PostgresStore};

fn main() -> ExitCode {
    support::program::main(run())
}

async fn run() -> Result<ExitCode, Failure> {
    let options = Options::of(std::env::args().skip(1))?;
    let maildir = MaildirStore::builder(&options.folder).open().await?;
    let mut database = Database::builder(&options.database);
    if let Ok(password) = std::env::var("PGPASSWORD") {
        database = database.password(password);
    }
    let database = database.connect().await?;
    let mut store = PostgresStore::builder(&database);
    if let Some(url) = &options.sounds {
        store = store.sounds(SoundStore::builder(url).build()?);
    }
    let (store, back) = (store.build(), options.back);
    let (source, target) = ordered::<dyn CopyableStore>(&maildir, &store, back);
    let mut migration = Migration::new(source, target);
    let copied = migration.copy().await;
    println!("{}", migration.report());
    copied?;
    let compared = migration.compare(if options.contents { Compared::Contents } else { Compared::Keys }).await?;
    println!("compared: {} the same, {} not", compared.unchanged, compared.fault_count);
    print_faults(migration.report());
    print_faults(&compared);

    if let Some(folder) = options.greetings {
        let (folder, rows) = (GreetingFolder::open(OsDisk, folder).await?, PostgresGreetings::new(&database));
        let (source, target) = ordered::<dyn GreetingStore>(&folder, &rows, back);
        println!("{}", copy_greetings(source, target).await?);
    }
    if let Some(folder) = options.pins {
        let (folder, rows) = (PinFolder::open(OsDisk, folder).await?, PostgresPins::new(&database));
        let (source, target) = ordered::<dyn CopyablePins>(&folder, &rows, back);
        println!("{}", copy_pins(source, target).await?);
    }
    Ok(if migration.report().is_clean() && compared.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The source and the target.
fn ordered<'a, T: ?Sized>(folder: &'a T, database: &'a T, back: bool) -> (&'a T, &'a T) {
    if back { (database, folder) } else { (folder, database) }
}

fn print_faults(report: &MigrationReport) {
    for fault in &report.faults {
        eprintln!("{}", explain(fault));
    }
}

/// The words on the command line.
#[derive(Default)]
struct Options {
    folder: PathBuf,
    database: String,
    /// Whether the database is copied into the folder.
    back: bool,
    contents: bool,
    greetings: Option<PathBuf>,
    pins: Option<PathBuf>,
    sounds: Option<String>,
}

impl Options {
    fn of(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let (mut options, mut stores) = (Self::default(), Vec::new());
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} wants a value\n{USAGE}"));
            match word.as_str() {
                "--contents" => options.contents = true,
                "--greetings" => options.greetings = Some(value()?.into()),
                "--pins" => options.pins = Some(value()?.into()),
                "--sounds" => options.sounds = Some(value()?),
                flag if flag.starts_with("--") => return Err(format!("{flag} is not known here\n{USAGE}").into()),
                _ => stores.push(word),
            }
        }
        let is_database = |word: &String| word.starts_with("postgres://") || word.starts_with("postgresql://");
        let [source, target] = <[String; 2]>::try_from(stores).map_err(|_| USAGE)?;
        options.back = is_database(&source);
        if options.back == is_database(&target) {
            return Err(format!("one of the two is a folder, and the other one a database\n{USAGE}").into());
        }
        let (folder, database) = if options.back { (target, source) } else { (source, target) };
        (options.folder, options.database) = (folder.into(), database);
        if !options.back && !options.folder.join("mail").is_dir() {
            return Err(format!("{} has no mailboxes: it is not the folder of a store", options.folder.display()).into());
        }
        Ok(options)
    }
}

const USAGE: &str = "usage: migrate FROM TO [--contents] [--greetings FOLDER] [--pins FOLDER] [--sounds URL]\n\
    FROM and TO are the folder of a store and postgres://ROLE@HOST/DATABASE, in either order";
