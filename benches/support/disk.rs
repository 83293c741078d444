//! Durable creation of a file, in the same way for every side of every bench.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Creates a file durably: write, flush the file, rename, flush the folder.
pub(crate) fn create_durably(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}.part"));
    let mut file = File::create_new(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    File::open(folder)?.sync_all()
}
