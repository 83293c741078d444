//! Sounds in a folder, and the URLs of object stores.

use std::collections::HashSet;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use voicemail::message::{Audio, AudioType};
use voicemail_postgres::sounds::{SoundError, SoundStore, SoundUrlError};

/// The files below `folder`, as paths from there.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

fn open(folder: &Path) -> Result<SoundStore, SoundUrlError> {
    SoundStore::builder(format!("file://{}", folder.display())).build()
}

#[tokio::test]
async fn a_folder_keeps_sounds_over_a_restart_and_is_swept() {
    let root = tempfile::tempdir().unwrap();
    let sounds = open(root.path()).unwrap();
    let short = Audio::new(AudioType::Basic, vec![1; 70_000]);
    let long = Audio::new(AudioType::Basic, vec![2; 6_000_000]);
    let mut referenced = HashSet::new();
    for sound in [&short, &long] {
        let name = sounds.put(sound, Utc::now()).await.unwrap();
        assert!(files(root.path()).contains(&name.to_string()));
        let again = open(root.path()).unwrap();
        assert_eq!(again.read(&name, sound.len(), sound.digest()).await.unwrap(), sound.bytes());
        let mut reader = again.reader(&name, sound.len(), sound.digest()).await.unwrap();
        let mut pieces = Vec::new();
        while let Some(piece) = reader.next_piece().await.unwrap() {
            pieces.extend_from_slice(&piece);
        }
        assert_eq!(&pieces, sound.bytes());
        referenced.insert(name);
    }
    let orphan = sounds.put(&short, Utc::now()).await.unwrap();
    let mut sweep = sounds.sweep(None);
    while sweep.candidates(Utc::now() + TimeDelta::days(2)).await.unwrap().is_some() {
        sweep.delete_others(&referenced).await.unwrap();
    }
    assert!(!files(root.path()).contains(&orphan.to_string()));
    assert_eq!(files(root.path()).len(), 2);
    for name in &referenced {
        sounds.delete(name).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "no folder of an empty day remains");
}

#[tokio::test]
async fn a_file_that_was_changed_or_cut_is_damaged() {
    let root = tempfile::tempdir().unwrap();
    let sounds = open(root.path()).unwrap();
    let sound = Audio::new(AudioType::Basic, vec![1; 1000]);
    let name = sounds.put(&sound, Utc::now()).await.unwrap();
    for content in [vec![0; 1000], vec![1; 999], vec![]] {
        std::fs::write(root.path().join(name.to_string()), content).unwrap();
        assert!(matches!(sounds.read(&name, sound.len(), sound.digest()).await, Err(SoundError::Damaged(_))));
    }
}

#[tokio::test]
async fn sounds_in_memory_are_below_their_prefix() {
    let sounds = SoundStore::builder("memory:///voicemail").build().unwrap();
    let sound = Audio::new(AudioType::Basic, &b"hello"[..]);
    let name = sounds.put(&sound, Utc::now()).await.unwrap();
    assert_eq!(sounds.read(&name, sound.len(), sound.digest()).await.unwrap(), "hello");
    let mut sweep = sounds.sweep(None);
    assert_eq!(sweep.candidates(Utc::now() + TimeDelta::days(2)).await.unwrap(), Some(&[name][..]));
}

#[test]
fn a_url_that_cannot_be_used_says_why() {
    let error = |url: &str| SoundStore::builder(url).build().unwrap_err();
    assert!(matches!(error("sounds"), SoundUrlError::NotAUrl(_)));
    assert!(matches!(error("ftp://host/sounds"), SoundUrlError::UnknownScheme(_)));
    assert!(matches!(error("https://host/sounds"), SoundUrlError::UnknownScheme(_)));
    assert!(matches!(error("file:///there/is/no/such/folder"), SoundUrlError::Folder { .. }));
    #[cfg(not(feature = "cloud"))]
    assert!(matches!(error("s3://bucket/prefix"), SoundUrlError::NoCloud));
    #[cfg(feature = "cloud")]
    assert!(matches!(error("s3://bucket/prefix"), SoundUrlError::NoTls));
}
