//! How fast a message becomes a mail, and a mail a message.
//!
//! `encode-base64`, `encode-binary`: from a message in memory, its digest known, to a mail in three pieces. `decode-base64`,
//! `decode-binary`: from a mail in memory to a message whose digest is checked. Recordings of 5 s and 30 s of mu-law and 30 s of
//! 16-bit sound: 40, 240 and 480 kB, which is what the bytes a second count, whatever the mail has.
//!
//! Beside them, in the same run: `base64-encode` and `base64-decode`, bare, in lines of 76 characters, for the same sound;
//! `sha-256` of the sound, which every decoding needs once; `memcpy`, a copy of the sound.
//!
//! Not in the number: reading and writing files or sockets. In it, on every side: getting the memory of the result and giving it back.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use encodify::base64;
use sha2::{Digest as _, Sha256};
use voicemail::audio::Format;
use voicemail::wire::{Addresses, TransferEncoding, decode, encode};

use self::support::mail::{mail, message};
use self::support::sound::sound;

mod support {
    pub(crate) mod mail;
    pub(crate) mod sound;
}

criterion_group!(benches, wire);
criterion_main!(benches);

fn wire(criterion: &mut Criterion) {
    let recipients = ["2001".parse().expect("a mailbox")];
    let addresses = Addresses::new("edge.voicemail.example", "voicemail.example", &recipients);
    let mut group = criterion.benchmark_group("wire");
    group.sample_size(50).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for (recording, format, seconds) in [
        ("5s-mulaw", Format::TELEPHONE_PCMU, 5),
        ("30s-mulaw", Format::TELEPHONE_PCMU, 30),
        ("30s-16bit", Format::TELEPHONE_L16, 30),
    ] {
        let wav = sound(format, seconds);
        let message = message(&wav);
        let id = |name: &str| BenchmarkId::new(name, recording);
        group.throughput(Throughput::Bytes(wav.len() as u64));
        for (name, encoding) in [("base64", TransferEncoding::Base64), ("binary", TransferEncoding::Binary)] {
            let mail = mail(&message, encoding);
            group.bench_function(id(&format!("encode-{name}")), |bencher| {
                bencher.iter(|| encode(black_box(&message), &addresses, encoding));
            });
            group.bench_function(id(&format!("decode-{name}")), |bencher| {
                bencher.iter(|| decode(black_box(&mail)).expect("a message"));
            });
        }
        let text = base64::MIME.encode(&wav);
        group.bench_function(id("base64-encode"), |bencher| bencher.iter(|| base64::MIME.encode(black_box(&wav))));
        group.bench_function(id("base64-decode"), |bencher| {
            bencher.iter(|| base64::MIME.decode(black_box(text.as_bytes())).expect("base64"));
        });
        group.bench_function(id("sha-256"), |bencher| bencher.iter(|| Sha256::digest(black_box(&wav))));
        group.bench_function(id("memcpy"), |bencher| bencher.iter(|| black_box(&wav).to_vec()));
    }
    group.finish();
}
