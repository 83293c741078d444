//! [`ProgramTranscriber`]: a program that is run for each sound.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::{SoundHints, TranscribeError, Transcriber};
use crate::disk;
use crate::message::{MessageId, Transcript};

/// Runs a program for each sound, and takes its standard output as the text.
///
/// No shell is between: each argument is given as it stands, but for `{language}`, which is the hint such as `en`, or `auto`, and `{file}`, which is
/// the path of the WAV. Without an argument that contains `{file}`, the program gets the WAV on its standard input.
///
/// The exit status 0 means success, 75 (`EX_TEMPFAIL`) and death by a signal that the same may succeed later, and any other that it will not. The program has its
/// own process group, which is killed when its time is over. It has no environment but `PATH` and what is [set](ProgramTranscriberBuilder::env), on Linux a
/// limited memory, and 256 kB of its output are read. Its standard error is lost, because words of callers may be in it.
///
/// ```
/// use voicemail::arrival::transcript::ProgramTranscriber;
///
/// let whisper = ProgramTranscriber::builder("/usr/bin/whisper-cli")
///     .args(["-m", "/var/lib/whisper/tiny.bin", "-l", "{language}", "-nt", "-np", "-f", "{file}"])
///     .engine("whisper.cpp tiny")
///     .build();
/// # let _ = whisper;
/// ```
#[derive(Debug, Clone)]
pub struct ProgramTranscriber {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, OsString)>,
    engine: String,
    folder: PathBuf,
    memory: u64,
}

impl ProgramTranscriber {
    /// Builds a transcriber that runs `program`, without arguments, named after the program.
    pub fn builder(program: impl Into<PathBuf>) -> ProgramTranscriberBuilder {
        let program = program.into();
        let engine = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (args, env, folder, memory) = (Vec::new(), Vec::new(), std::env::temp_dir(), MEMORY);
        ProgramTranscriberBuilder { transcriber: Self { program, args, env, engine, folder, memory } }
    }

    fn command(&self, file: Option<&Path>, hints: &SoundHints) -> Command {
        let language = hints.language.as_ref().map_or("auto", |language| language.primary());
        let file = file.map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
        let mut command = Command::new(&self.program);
        command.args(self.args.iter().map(|arg| arg.replace("{language}", language).replace(FILE, &file)));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).kill_on_drop(true);
        command
    }

    /// Runs the program; returns its output if it has succeeded.
    async fn run(&self, sound: Bytes, hints: &SoundHints) -> Result<Vec<u8>, TranscribeError> {
        let transient = |error: io::Error| TranscribeError::Transient(error.into());
        let by_file = self.args.iter().any(|arg| arg.contains(FILE));
        let file = if by_file { Some(TemporaryFile::write(&self.folder, &sound).await.map_err(transient)?) } else { None };
        let mut command = self.command(file.as_ref().map(|file| file.path.as_path()), hints);
        let child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => TranscribeError::Final(error.into()),
            _ => transient(error),
        })?;
        let mut running = Running(child);
        running.limit_memory(self.memory);
        let (stdin, stdout) = (running.0.stdin.take(), running.0.stdout.take());
        let (mut output, read_by_program) = (Vec::new(), if by_file { Bytes::new() } else { sound });
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program need not read all of it.
                let _ = stdin.write_all(&read_by_program).await;
            }
        };
        let read = async {
            match stdout {
                Some(stdout) => stdout.take(MOST_OUTPUT).read_to_end(&mut output).await,
                None => Ok(0),
            }
        };
        let ((), read) = tokio::join!(feed, read);
        read.map_err(transient)?;
        if output.len() as u64 == MOST_OUTPUT {
            return Err(TranscribeError::Final("the program has written too much".into()));
        }
        let status = running.0.wait().await.map_err(transient)?;
        match status.code() {
            Some(0) => Ok(output),
            Some(TRY_AGAIN) | None => Err(TranscribeError::Transient(format!("the program has ended with {status}").into())),
            Some(_) => Err(TranscribeError::Final(format!("the program has ended with {status}").into())),
        }
    }
}

#[async_trait]
impl Transcriber for ProgramTranscriber {
    async fn transcribe(&self, sound: Bytes, hints: &SoundHints) -> Result<Transcript, TranscribeError> {
        let output = self.run(sound, hints).await?;
        Ok(Transcript::new(&String::from_utf8_lossy(&output), &self.engine))
    }
}

/// Builds a [`ProgramTranscriber`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ProgramTranscriberBuilder {
    transcriber: ProgramTranscriber,
}

impl ProgramTranscriberBuilder {
    /// Adds arguments.
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.transcriber.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the program's environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.transcriber.env.push((name.into(), value.into()));
        self
    }

    /// Sets the engine's name that transcripts have; by default the name of the program.
    pub fn engine(mut self, engine: impl Into<String>) -> Self {
        self.transcriber.engine = engine.into();
        self
    }

    /// Sets the folder of the files that `{file}` stands for; by default that of the system for temporary files. A file is readable by its owner only, and is
    /// removed when the program has ended; one that a crash has left behind is called `voicemail-ID.wav`.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.transcriber.folder = folder.into();
        self
    }

    /// Sets how many bytes of memory the program may address, on Linux; by default 4 GiB.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.transcriber.memory = bytes;
        self
    }

    /// Returns the transcriber.
    pub fn build(self) -> ProgramTranscriber {
        self.transcriber
    }
}

/// A program that runs. Dropped before its end, it is killed with all the processes that it has started.
#[derive(Debug)]
struct Running(Child);

impl Running {
    /// Limits the memory of the program. It has begun already, but has not yet read its sound.
    #[cfg(target_os = "linux")]
    fn limit_memory(&self, bytes: u64) {
        use rustix::process::{Resource, Rlimit, prlimit};

        if let Some(pid) = self.process() {
            // If the system does not support this, the time limit applies.
            let _ = prlimit(Some(pid), Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) });
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn limit_memory(&self, _: u64) {}

    /// The id of the process; `None` once it has ended.
    fn process(&self) -> Option<rustix::process::Pid> {
        self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pid) = self.process() {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

/// A sound in a file, which is removed when this is dropped.
#[derive(Debug)]
struct TemporaryFile {
    path: PathBuf,
}

impl TemporaryFile {
    async fn write(folder: &Path, sound: &Bytes) -> io::Result<Self> {
        let this = Self { path: folder.join(format!("voicemail-{}.wav", MessageId::random())) };
        let (path, sound) = (this.path.clone(), sound.clone());
        disk::blocking(move || {
            use disk::Disk as _;
            disk::OsDisk.create(&path)?.write_all_at(&sound, 0)
        })
        .await?;
        Ok(this)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

const FILE: &str = "{file}";
const MEMORY: u64 = 4 << 30;
const MOST_OUTPUT: u64 = 256 * 1024;
/// `EX_TEMPFAIL` of `sysexits.h`.
const TRY_AGAIN: i32 = 75;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn shell(script: &str) -> ProgramTranscriberBuilder {
        ProgramTranscriber::builder("/bin/sh").args(["-c", script, "sh"]).engine("shell")
    }

    fn hints() -> SoundHints {
        SoundHints::new(Duration::from_secs(1)).with_language("de-AT".parse().unwrap())
    }

    async fn run(builder: ProgramTranscriberBuilder) -> Result<Transcript, TranscribeError> {
        builder.build().transcribe(Bytes::from_static(b"RIFF and more"), &hints()).await
    }

    #[tokio::test]
    async fn a_program_gets_the_sound_on_its_input() {
        let transcript =
            run(shell("cat; echo \" $1 $VOICEMAIL $HOME\"").args(["{language}"]).env("VOICEMAIL", "x y")).await.unwrap();
        assert_eq!((transcript.text(), transcript.engine()), ("RIFF and more de x y", "shell"));
    }

    #[tokio::test]
    async fn a_program_gets_the_sound_in_a_file_that_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let transcript =
            run(shell("wc -c < \"$1\"; stat -c %a \"$1\"; echo '{language}'").args(["{file}"]).folder(folder.path()))
                .await
                .unwrap();
        assert_eq!(transcript.text(), "13\n600\nde");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn arguments_reach_the_program_as_they_stand() {
        let transcript = run(shell("echo \"$1\"").args(["$(echo hacked); `id` \"' *"])).await.unwrap();
        assert_eq!(transcript.text(), "$(echo hacked); `id` \"' *");
    }

    #[tokio::test]
    async fn the_exit_status_says_whether_to_try_again() {
        for (script, transient) in [("exit 75", true), ("kill -9 $$", true), ("exit 1", false), ("echo text; exit 2", false)] {
            assert_eq!(run(shell(script)).await.unwrap_err().is_transient(), transient, "{script}");
        }
        assert!(!run(ProgramTranscriber::builder("/no/such/program")).await.unwrap_err().is_transient());
    }

    #[tokio::test]
    async fn output_and_memory_are_bounded() {
        let endless = run(shell("yes words")).await;
        assert!(matches!(endless, Err(TranscribeError::Final(_))), "{endless:?}");
        let python = ProgramTranscriber::builder("python3")
            .args(["-c", "import sys; sys.stdin.read(); x = bytearray(1 << 30); print(len(x))"]);
        let result = run(python.clone()).await;
        if matches!(&result, Err(TranscribeError::Final(error)) if error.is::<io::Error>()) {
            eprintln!("skipped: no python3");
            return;
        }
        assert_eq!(result.unwrap().text(), "1073741824");
        assert!(run(python.memory(512 << 20)).await.is_err());
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let (pids, sound) = (folder.path().join("pids"), Bytes::from_static(b"RIFF"));
        let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", pids.display());
        let transcriber = shell(&script).build();
        let (hints, started) = (hints(), Instant::now());
        let mut running = Box::pin(transcriber.transcribe(sound, &hints));
        let child: String = loop {
            tokio::select! {
                ended = &mut running => panic!("{ended:?}"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
            if let Ok(pid) = std::fs::read_to_string(&pids) {
                break pid.trim().to_owned();
            }
        };
        drop(running);
        let state = || std::fs::read_to_string(format!("/proc/{child}/stat"));
        // A process that was killed stays as a zombie until its parent has looked.
        while state().is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(started.elapsed() < Duration::from_secs(60), "the child of the program still runs");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
