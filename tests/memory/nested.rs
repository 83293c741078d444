//! The largest mails with forwarded messages that are accepted: their sounds are joined in memory.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use voicemail::audio::{Format, Wav};
use voicemail::message::MailFile;
use voicemail::wire::{DecodeLimits, decode_file};

use super::{FOLDER, MB, again, most_resident, print_most_resident};

/// The most that decoding one mail takes, by the documentation of `decode_file`.
const DOCUMENTED: usize = 80 * 1024 * 1024;
/// The memory of a process of this test before it decodes, and some more.
const PROCESS: usize = 16 * MB;

#[test]
fn the_deepest_and_longest_forwarded_mail_takes_what_is_said() {
    let name = "nested::the_deepest_and_longest_forwarded_mail_takes_what_is_said";
    if let Some(folder) = std::env::var_os(FOLDER) {
        decode(Path::new(&folder));
        return print_most_resident();
    }
    for (what, sounds) in [
        ("nine of one format", vec![sound(3_700_000); DEPTH + 1]),
        ("one long and eight short", [vec![sound(33_400_000)], vec![sound(400); DEPTH]].concat()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("mail"), &sounds);
        let most = most_resident(&mut again(name, folder.path()));
        println!("{what}: {} kB", most / 1000);
        assert!(most < DOCUMENTED + PROCESS, "{what} took {most} bytes");
    }
}

/// How many forwarded mails may lie inside each other, and how many multiparts.
const DEPTH: usize = 8;

/// A WAV with so many bytes of samples.
fn sound(len: usize) -> Vec<u8> {
    [Wav::header(Format::TELEPHONE_PCMU, u32::try_from(len).unwrap()), vec![0x55; len]].concat()
}

/// Writes a mail with the first sound, which forwards one with the second, and so on; the innermost mail is its sound.
fn write(path: &Path, sounds: &[Vec<u8>]) {
    let mut mail = io::BufWriter::new(File::create(path).unwrap());
    let innermost = sounds.len() - 1;
    for (level, sound) in sounds.iter().enumerate() {
        mail.write_all(b"Date: Mon, 2 Mar 2026 10:00:00 -0500\r\n").unwrap();
        if level < innermost {
            write!(mail, "Content-Type: multipart/voice-message; boundary=b{level}\r\n\r\n--b{level}\r\n").unwrap();
        }
        mail.write_all(b"Content-Type: audio/wav\r\nContent-Transfer-Encoding: binary\r\n").unwrap();
        mail.write_all(b"Content-Disposition: inline; voice=Voice-Message\r\n\r\n").unwrap();
        mail.write_all(sound).unwrap();
        if level < innermost {
            write!(mail, "\r\n--b{level}\r\nContent-Type: message/rfc822\r\n\r\n").unwrap();
        }
    }
    for level in (0..innermost).rev() {
        write!(mail, "\r\n--b{level}--\r\n").unwrap();
    }
    mail.flush().unwrap();
}

fn decode(folder: &Path) {
    let file: Arc<dyn MailFile> = Arc::new(OnDisk(File::open(folder.join("mail")).unwrap()));
    let message = decode_file(&file, DecodeLimits::default()).unwrap().unwrap();
    let samples = fs::metadata(folder.join("mail")).unwrap().len();
    println!("{samples} bytes of mail, {} of sound", message.audio().len());
    assert!(message.audio().len() > 28 << 20, "it is nearly as long as it may be");
    assert!(message.audio().len() <= (32 << 20) + 1024);
}

#[derive(Debug)]
struct OnDisk(File);

impl MailFile for OnDisk {
    fn size(&self) -> u64 {
        self.0.metadata().unwrap().len()
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.0.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }
}
