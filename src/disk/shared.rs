//! Implements the trait `Disk` for a disk in an `Arc` or a `Box`.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Disk, DiskFile, FreeSpace, Listing, Watcher};

/// Passes every call on, so that a shared or boxed disk is a disk.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[deny(clippy::missing_trait_methods)]
        impl<D: Disk + ?Sized> Disk for $wrapper<D> {
            fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
                (**self).create(path)
            }

            fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
                (**self).open(path)
            }

            fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
                (**self).open_to_read(path)
            }

            fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
                (**self).link(from, to)
            }

            fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
                (**self).rename(from, to)
            }

            fn remove(&self, path: &Path) -> io::Result<()> {
                (**self).remove(path)
            }

            fn create_dir(&self, path: &Path) -> io::Result<()> {
                (**self).create_dir(path)
            }

            fn sync_dir(&self, path: &Path) -> io::Result<()> {
                (**self).sync_dir(path)
            }

            fn list(&self, path: &Path) -> io::Result<Vec<String>> {
                (**self).list(path)
            }

            fn list_files(&self, path: &Path) -> io::Result<Listing> {
                (**self).list_files(path)
            }

            fn is_file(&self, path: &Path) -> io::Result<bool> {
                (**self).is_file(path)
            }

            fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
                (**self).free_space(path)
            }

            fn watch(&self, path: &Path) -> io::Result<Box<dyn Watcher>> {
                (**self).watch(path)
            }

            fn folder_changed(&self, path: &Path) -> io::Result<SystemTime> {
                (**self).folder_changed(path)
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
