//! Bytes become a stream, a payload of RAM, a damaged stream or a URI, which must be read
//! without harm. See `fuzz/README.md` for how to run it.
#![no_main]

use migration::ram::{Decoder, MAX_PAYLOAD_BYTES, PAGE_BYTES, PageSink, SECTION};
use migration::stream::{Header, Item, Purpose, Reader, StreamError, Writer};
use migration::transport::Uri;

/// Pages of the RAM that streams are for.
const PAGES: usize = 32;

/// Names of sections and how long they may be.
const NAMES: [(&str, usize); 4] = [
    ("state", 64),
    (SECTION, MAX_PAYLOAD_BYTES),
    ("s390x-cpu", 4096),
    ("clocks", 1000),
];

fn limit(name: &str) -> Option<usize> {
    let known = NAMES.iter().find(|(known, _)| *known == name)?;
    Some(known.1)
}

fn header() -> Header {
    Header {
        architecture: "s390x".into(),
        machine: "machine".into(),
        ram_bytes: (PAGES * PAGE_BYTES) as u64,
        two_way: false,
        purpose: Purpose::Snapshot,
        program: "fuzzing".into(),
    }
}

/// RAM which panics where something does not fit.
struct Ram(Vec<u8>);

impl PageSink for Ram {
    fn data(&mut self, address: u64, bytes: &[u8]) -> Result<(), String> {
        assert!(bytes.len() % PAGE_BYTES == 0 && address % PAGE_BYTES as u64 == 0);
        self.0[address as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn zero(&mut self, address: u64, length: u64) -> Result<(), String> {
        assert!(length % PAGE_BYTES as u64 == 0 && address % PAGE_BYTES as u64 == 0);
        self.0[address as usize..][..length as usize].fill(0);
        Ok(())
    }
}

/// Sections as they were read: name, instance, version, payload.
type Sections = Vec<(String, u32, u32, Vec<u8>)>;

/// Reads a stream to its end or its first error.
fn read(bytes: &[u8]) -> (Sections, Result<(Header, usize), StreamError>) {
    let mut sections = Vec::new();
    let (mut reader, header) = match Reader::begin(bytes) {
        Ok(begun) => begun,
        Err(error) => return (sections, Err(error)),
    };
    loop {
        match reader.next(limit) {
            Ok(Item::Section(section)) => sections.push((
                section.name.to_owned(),
                section.instance,
                section.version,
                section.payload.to_vec(),
            )),
            Ok(Item::End) => {
                let length = reader.offset() as usize;
                return (sections, Ok((header, length)));
            }
            Err(error) => return (sections, Err(error)),
        }
    }
}

fn write(header: &Header, sections: &Sections) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), header).expect("memory takes everything");
    for (name, instance, version, payload) in sections {
        writer
            .section(name, *instance, *version, payload)
            .expect("what was read can be written");
    }
    writer.end().expect("memory takes everything");
    writer.into_inner()
}

fn whole(bytes: &[u8]) {
    let (sections, end) = read(bytes);
    match end {
        Ok((header, length)) => assert_eq!(write(&header, &sections), bytes[..length]),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn payload(bytes: &[u8]) {
    let mut ram = Ram(vec![0; PAGES * PAGE_BYTES]);
    let size = ram.0.len() as u64;
    if let Err(error) = Decoder::new(size).apply(bytes, &mut ram) {
        assert!(!error.to_string().is_empty());
    }
}

/// Sections out of bytes: each takes a byte for its name, two for its length, four for its
/// instance and version, then its payload.
fn sections(bytes: &[u8]) -> Sections {
    let mut rest = bytes;
    let mut sections = Vec::new();
    while let Some((head, more)) = rest.split_first_chunk::<7>() {
        let (name, most) = NAMES[head[0] as usize % NAMES.len()];
        let length = usize::from(u16::from_le_bytes([head[1], head[2]]));
        let (payload, more) = more.split_at(length.min(most).min(more.len()));
        let instance = u32::from(u16::from_le_bytes([head[3], head[4]]));
        let version = u32::from(u16::from_le_bytes([head[5], head[6]]));
        sections.push((name.to_owned(), instance, version, payload.to_vec()));
        rest = more;
    }
    sections
}

fn damaged(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else {
        return;
    };
    let written = sections(rest);
    let mut bytes = write(&header(), &written);
    let at = usize::from(u16::from_le_bytes([head[0], head[1]])) % bytes.len();
    match head[2] {
        0 => {
            bytes.truncate(at);
        }
        flip => bytes[at] ^= flip,
    }
    let (found, end) = read(&bytes);
    assert!(end.is_err(), "the damage is not found");
    assert!(written.starts_with(&found), "something else is read");
}

fn uri(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(uri) = text.parse::<Uri>() {
        assert_eq!(uri.to_string().parse::<Uri>(), Ok(uri));
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((what, rest)) = bytes.split_first() else {
        return;
    };
    match what % 5 {
        0 => whole(rest),
        1 => {
            let mut bytes = write(&header(), &Vec::new());
            bytes.truncate(bytes.len() - 112);
            bytes.extend(rest);
            whole(&bytes);
        }
        2 => payload(rest),
        3 => damaged(rest),
        _ => uri(rest),
    }
});
