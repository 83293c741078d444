//! [`OsDisk`].

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::watcher::OsWatcher;
use super::{Disk, DiskFile, FreeSpace, Listing, NotAFile, Watcher};

/// The operating system's file systems. Files get mode 0600, folders 0700.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        open(path, OFlags::RDWR)
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        open(path, OFlags::RDONLY)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn list_files(&self, path: &Path) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let is_file = match entry.file_type() {
                // Some file systems read the entry only now, and another program may have renamed it in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                kind => kind?.is_file(),
            };
            let names = if is_file { &mut listing.files } else { &mut listing.others };
            names.extend(entry.file_name().into_string());
        }
        Ok(listing)
    }

    fn is_file(&self, path: &Path) -> io::Result<bool> {
        Ok(fs::symlink_metadata(path)?.is_file())
    }

    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        let stat = rustix::fs::statvfs(path)?;
        let files = if stat.f_files == 0 { u64::MAX } else { stat.f_favail };
        Ok(FreeSpace { bytes: stat.f_bavail.saturating_mul(stat.f_frsize), files })
    }

    fn watch(&self, path: &Path) -> io::Result<Box<dyn Watcher>> {
        Ok(Box::new(OsWatcher::open(path)?))
    }

    fn folder_changed(&self, path: &Path) -> io::Result<SystemTime> {
        let metadata = fs::metadata(path)?;
        if metadata.is_dir() { metadata.modified() } else { Err(io::ErrorKind::NotADirectory.into()) }
    }
}

/// Opens a file, and nothing that is not a file, without waiting.
fn open(path: &Path, access: OFlags) -> io::Result<Box<dyn DiskFile>> {
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
    let file = match opened {
        Ok(file) => File::from(file),
        Err(Errno::LOOP) => return Err(NotAFile::Link.into()),
        Err(Errno::ISDIR) => return Err(NotAFile::Folder.into()),
        // A socket, or a device that is not there.
        Err(Errno::NXIO | Errno::NODEV) => return Err(NotAFile::Special.into()),
        Err(error) => return Err(error.into()),
    };
    let kind = file.metadata()?.file_type();
    match (kind.is_file(), kind.is_dir()) {
        (true, _) => Ok(Box::new(file)),
        (false, true) => Err(NotAFile::Folder.into()),
        (false, false) => Err(NotAFile::Special.into()),
    }
}

impl DiskFile for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        // Into memory that is not initialised: to write zeroes there first costs as much as to read the sound.
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = offset.saturating_add(bytes.len() as u64);
            if rustix::io::retry_on_intr(|| rustix::io::pread(self, spare_capacity(&mut bytes), at))? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        bytes.truncate(len);
        Ok(bytes)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn links(&self) -> io::Result<u64> {
        Ok(self.metadata()?.nlink())
    }

    fn set_modified(&self, modified: SystemTime) -> io::Result<()> {
        File::set_modified(self, modified)
    }

    fn changed(&self) -> io::Result<SystemTime> {
        let metadata = self.metadata()?;
        let (secs, nanos) = (metadata.ctime(), u32::try_from(metadata.ctime_nsec()).unwrap_or(0));
        let since_1970 = std::time::Duration::new(u64::try_from(secs).unwrap_or(0), nanos);
        Ok(SystemTime::UNIX_EPOCH + since_1970)
    }

    /// `fdatasync`: a file that was written over, with no change of its length, needs no commit of the file system's journal.
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn lock(&self) -> io::Result<()> {
        File::lock(self)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match File::try_lock(self) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::super::is_not_a_file;
    use super::*;

    #[test]
    fn only_a_file_is_opened_and_opening_never_waits() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "a file").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        symlink(at("loop"), at("loop")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();

        assert_eq!(OsDisk.open(&at("file")).unwrap().len().unwrap(), 6);
        assert_eq!(OsDisk.open(&at("missing")).unwrap_err().kind(), io::ErrorKind::NotFound);
        for name in ["folder", "link", "dangling", "loop", "fifo", "socket"] {
            assert!(is_not_a_file(&OsDisk.open(&at(name)).unwrap_err()), "{name}");
            assert!(is_not_a_file(&OsDisk.open_to_read(&at(name)).unwrap_err()), "{name}");
            assert!(!OsDisk.is_file(&at(name)).unwrap(), "{name}");
        }
        let mut listing = OsDisk.list_files(folder.path()).unwrap();
        listing.others.sort_unstable();
        assert_eq!(listing.files, ["file"]);
        assert_eq!(listing.others, ["dangling", "fifo", "folder", "link", "loop", "socket"]);
    }

    #[test]
    fn a_folder_behind_a_link_to_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink(folder.path().join("not-mounted"), &link).unwrap();
        let error = super::super::create_dirs(&OsDisk, &link.join("a/b")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
