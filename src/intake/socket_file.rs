//! [`SocketFile`]: a listening Unix socket, with the file by which clients find it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf, absolute};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::sleep;

/// A listening Unix socket, with the file by which clients find it, for a mail server on this host that delivers by LMTP.
///
/// - **Permissions.** A client can connect if it may write the file and search its folders: unix(7). The file has the group of this process, or the
///   group of its folder if the folder has the set-group-ID bit. With the mode `0o660` and such a folder, all members of that group may connect.
/// - **Access.** A client has no address and counts as on [this machine](super::Access::this_machine), whatever user it is. Its
///   connections count in total, and not by their network.
/// - **The file.** A file that a killed process has left is replaced. The file is removed at the stop of [`Intake::serve`](super::Intake::serve)
///   or of the node, and if the socket is dropped before.
///
/// With Postfix, the transport `lmtp:unix:/run/voicemail/lmtp` delivers here. Its client sees only `/var/spool/postfix` if `master.cf` runs it
/// with chroot; the path in the transport is then relative to that folder.
///
/// ```no_run
/// # async fn run(intake: voicemail::intake::Intake) -> std::io::Result<()> {
/// use voicemail::intake::{ListenMode, ListenerPolicy, SocketFile};
///
/// let socket = SocketFile::bind("/run/voicemail/lmtp", 0o660).await?;
/// intake.serve(socket, ListenerPolicy::from(ListenMode::StartTls).lmtp(), std::future::pending()).await
/// # }
/// ```
#[derive(Debug)]
pub struct SocketFile {
    /// Before the listener, so that it is removed while the listener is still open: no other process can have replaced it.
    file: BoundFile,
    listener: UnixListener,
}

impl SocketFile {
    /// Listens at `path`, at most 107 bytes long, in a folder that exists. The file has the permissions `mode`, such as `0o660`, whatever the
    /// umask is, and never more.
    ///
    /// # Errors
    ///
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse): another process listens at `path`.
    /// - [`AlreadyExists`](io::ErrorKind::AlreadyExists): the file at `path` is no socket. It stays as it is.
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): another process has locked the folder (flock(2)) for a second.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): `path` is too long, or `mode` is more than `0o777`.
    /// - Any other error of the file system: the folder is missing, or this process may not read or write it.
    ///
    /// # Cancel safety
    ///
    /// A dropped call leaves no new file.
    pub async fn bind(path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        let path = path.as_ref();
        bind(path, mode).await.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

async fn bind(path: &Path, mode: u32) -> io::Result<SocketFile> {
    if mode > 0o777 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a mode has nine bits, such as 0o660"));
    }
    // Between the check for an old file and the new one, no other process may do the same.
    let _lock = lock_folder(path).await?;
    remove_stale(path).await?;
    let socket = UnixSocket::new_stream()?;
    // The file begins with the permissions of the socket without those of the umask, so at no time with more than `mode`.
    fchmod(&socket, Mode::from_raw_mode(mode))?;
    socket.bind(path)?;
    let file = BoundFile::new(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(SocketFile { file, listener: socket.listen(BACKLOG)? })
}

/// Locks the folder of `path`, until the lock is dropped.
async fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(folder)?;
    for _ in 0..LOCK_TRIES {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(LOCK_PAUSE).await,
            result => return result.map(|()| folder).map_err(io::Error::from),
        }
    }
    Err(io::Error::new(io::ErrorKind::WouldBlock, "another process has locked the folder"))
}

/// Removes the file of a socket at which no process listens.
async fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is another file, which is no socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A process that is slow to accept has its queue full.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        Ok(_) | Err(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

/// The file of a socket of this process. It is removed on drop, unless another file has taken its place.
#[derive(Debug)]
struct BoundFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl BoundFile {
    fn new(path: &Path) -> io::Result<Self> {
        // A later change of the working directory must not lead to another file.
        let path = absolute(path)?;
        let identity = identity_of(&path)?;
        Ok(Self { path, identity })
    }
}

impl Drop for BoundFile {
    fn drop(&mut self) {
        if identity_of(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "the file of a socket could not be removed");
        }
    }
}

/// Returns the device and the number of a file, which no other file has at the same time.
fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener as StdListener};

    use tempfile::TempDir;

    use super::*;

    fn folder() -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("lmtp");
        (folder, path)
    }

    #[tokio::test]
    async fn the_file_of_a_killed_process_is_replaced() {
        let (_folder, path) = folder();
        // The standard library leaves the file, as a killed process does.
        drop(StdListener::bind(&path).unwrap());
        let socket = SocketFile::bind(&path, 0o600).await.unwrap();
        let (accepted, connected) = tokio::join!(socket.accept(), UnixStream::connect(&path));
        assert!(accepted.is_ok() && connected.is_ok());
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_in_use_is_an_error_and_stays() {
        let (_folder, path) = folder();
        let socket = SocketFile::bind(&path, 0o600).await.unwrap();
        let error = SocketFile::bind(&path, 0o600).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), format!("{}: another process listens there", path.display()));
        UnixStream::connect(&path).await.unwrap();
        assert_eq!(socket.path(), path);
    }

    #[tokio::test]
    async fn a_socket_whose_queue_is_full_is_in_use() {
        let (_folder, path) = folder();
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let _listener = socket.listen(0).unwrap();
        let _waiting = UnixStream::connect(&path).await.unwrap();
        let error = SocketFile::bind(&path, 0o600).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{error}");
    }

    #[tokio::test]
    async fn of_many_that_begin_at_once_one_listens() {
        let (_folder, path) = folder();
        drop(StdListener::bind(&path).unwrap());
        let bound: Vec<_> = futures::future::join_all((0..8).map(|_| SocketFile::bind(&path, 0o600))).await;
        let (listening, refused): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
        assert_eq!(listening.len(), 1);
        assert!(refused.into_iter().all(|result| result.unwrap_err().kind() == io::ErrorKind::AddrInUse));
        UnixStream::connect(&path).await.unwrap();
    }

    #[tokio::test]
    async fn no_file_but_a_stale_socket_is_removed() {
        let (folder, path) = folder();
        fs::write(&path, "a message").unwrap();
        assert_eq!(SocketFile::bind(&path, 0o600).await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"a message");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(SocketFile::bind(&link, 0o600).await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let datagrams = folder.path().join("datagrams");
        let _open = UnixDatagram::bind(&datagrams).unwrap();
        SocketFile::bind(&datagrams, 0o600).await.unwrap_err();
        assert!(datagrams.exists());
    }

    #[tokio::test]
    async fn the_mode_is_as_given_whatever_the_umask_is() {
        for mode in [0o600, 0o660, 0o666, 0o777, 0] {
            let (_folder, path) = folder();
            let _socket = SocketFile::bind(&path, mode).await.unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode, "{mode:o}");
        }
        let (_folder, path) = folder();
        assert_eq!(SocketFile::bind(&path, 0o1777).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[tokio::test]
    async fn the_file_of_another_process_stays_at_the_end() {
        let (_folder, path) = folder();
        let socket = SocketFile::bind(&path, 0o600).await.unwrap();
        fs::remove_file(&path).unwrap();
        let _other = StdListener::bind(&path).unwrap();
        drop(socket);
        UnixStream::connect(&path).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_locked_or_missing_folder_is_an_error() {
        let (folder, path) = folder();
        let locked = File::open(folder.path()).unwrap();
        flock(&locked, FlockOperation::LockExclusive).unwrap();
        assert_eq!(SocketFile::bind(&path, 0o600).await.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let missing = folder.path().join("missing").join("lmtp");
        assert_eq!(SocketFile::bind(&missing, 0o600).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        let long = folder.path().join("x".repeat(108));
        drop(locked);
        assert_eq!(SocketFile::bind(&long, 0o600).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
