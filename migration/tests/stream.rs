//! The stream: what is written comes back, and whatever is damaged is an error that says where.
#![allow(clippy::unwrap_used, reason = "tests end where something is wrong")]

use std::io::{self, Read};

use migration::stream::{
    Header, Item, MAX_NAME_BYTES, Place, Purpose, Reader, StreamError, Writer,
};
use proptest::prelude::*;

/// Bytes of a section beside its payload.
const FRAME_BYTES: usize = 104;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    name: String,
    instance: u32,
    version: u32,
    payload: Vec<u8>,
}

fn header() -> Header {
    Header {
        architecture: "s390x".into(),
        machine: "s390-ccw-virtio".into(),
        ram_bytes: 1 << 30,
        two_way: true,
        purpose: Purpose::Migration,
        program: "a program, version 1".into(),
    }
}

fn section(name: &str, instance: u32, payload: &[u8]) -> Owned {
    Owned {
        name: name.into(),
        instance,
        version: 7,
        payload: payload.to_vec(),
    }
}

fn some_sections() -> Vec<Owned> {
    vec![
        section("state", 0, b"running"),
        section("ram", 0, &[0x5a; 300]),
        section("empty", 3, b""),
        section("ram", 0, &[0; 40]),
        section("s390x-cpu", u32::MAX, &[1, 2, 3]),
    ]
}

fn write(header: &Header, sections: &[Owned]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), header).unwrap();
    for section in sections {
        let Owned {
            name,
            instance,
            version,
            payload,
        } = section;
        writer.section(name, *instance, *version, payload).unwrap();
    }
    writer.end().unwrap();
    assert_eq!(writer.written(), writer.get_mut().len() as u64);
    writer.into_inner()
}

/// Where the parts of a stream begin: the header, every section, the end; and its length.
fn boundaries(header: &Header, sections: &[Owned]) -> Vec<usize> {
    let mut at = vec![0];
    let mut writer = Writer::begin(Vec::new(), header).unwrap();
    at.push(writer.get_mut().len());
    for section in sections {
        at.push(at[at.len() - 1] + FRAME_BYTES + section.payload.len());
    }
    at.push(at[at.len() - 1] + FRAME_BYTES + 8);
    at
}

/// Gives bytes out in pieces of odd sizes, as a socket may.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.1 = (self.1 * 7 + 3) % 61;
        let count = into.len().min(self.0.len()).min(1 + self.1);
        let (now, later) = self.0.split_at(count);
        into[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

/// What a reader makes of bytes: the sections before the end or the error, which must not be
/// followed by anything.
fn read(bytes: impl Read) -> (Vec<Owned>, Result<Header, StreamError>) {
    let mut found = Vec::new();
    let (mut reader, header) = match Reader::begin(bytes) {
        Ok(begun) => begun,
        Err(error) => return (found, Err(error)),
    };
    loop {
        match reader.next(|_| Some(1 << 20)) {
            Ok(Item::Section(section)) => found.push(Owned {
                name: section.name.into(),
                instance: section.instance,
                version: section.version,
                payload: section.payload.to_vec(),
            }),
            Ok(Item::End) => {
                let end = reader.expect_nothing();
                return (found, end.map(|()| header));
            }
            Err(error) => return (found, Err(error)),
        }
    }
}

/// The bytes must be an error, after a part of the sections as they were written.
fn must_fail(bytes: &[u8], sections: &[Owned], what: &str) -> StreamError {
    let (found, result) = read(bytes);
    let error = result.expect_err(what);
    assert!(sections.starts_with(&found), "{what}: {found:?}");
    let text = error.to_string();
    assert!(
        text.contains("offset") || text.contains("header") || text.contains("begins with"),
        "{what}: {text}"
    );
    assert!(!text.contains('\n') && text.is_ascii(), "{what}: {text}");
    error
}

fn any_sections() -> impl Strategy<Value = Vec<Owned>> {
    let name = proptest::string::string_regex("[!-~]{1,64}").unwrap();
    let name = name.prop_filter("the end's name is taken", |name| name != "end");
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        (any::<u8>(), 0..600_000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let one = (name, any::<u32>(), any::<u32>(), payload).prop_map(
        |(name, instance, version, payload)| Owned {
            name,
            instance,
            version,
            payload,
        },
    );
    proptest::collection::vec(one, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_comes_back(sections in any_sections(), text in ".{0,100}") {
        let mut header = header();
        header.program = text;
        let bytes = write(&header, &sections);
        let (found, end) = read(bytes.as_slice());
        prop_assert_eq!(end.unwrap(), header.clone());
        prop_assert_eq!(&found, &sections);
        let (found, end) = read(Pieces(&bytes, 0));
        prop_assert_eq!(end.unwrap(), header);
        prop_assert_eq!(&found, &sections);
    }

    #[test]
    fn damage_anywhere_is_an_error(
        sections in any_sections(),
        at in any::<proptest::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let mut bytes = write(&header(), &sections);
        let at = at.index(bytes.len());
        must_fail(&bytes[..at], &sections, "truncated");
        bytes[at] ^= flip;
        must_fail(&bytes, &sections, "changed");
    }

    #[test]
    fn bytes_of_no_stream_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        must_fail(&bytes, &[], "noise");
        let mut magic = write(&header(), &[]);
        magic.truncate(8);
        magic.extend(&bytes);
        must_fail(&magic, &[], "noise after the magic");
        let mut begun = write(&header(), &[]);
        begun.truncate(boundaries(&header(), &[])[1]);
        begun.extend(&bytes);
        must_fail(&begun, &[], "noise after the header");
    }
}

#[test]
fn every_truncation_is_an_error() {
    let sections = some_sections();
    let bytes = write(&header(), &sections);
    let starts = boundaries(&header(), &sections);
    assert_eq!(starts.last(), Some(&bytes.len()));
    for length in 0..bytes.len() {
        let error = must_fail(&bytes[..length], &sections, &format!("cut at {length}"));
        let closed = matches!(error, StreamError::Closed { offset } if offset == length as u64);
        let within = matches!(error, StreamError::Truncated { .. });
        let boundary = length > 0 && starts.contains(&length);
        assert!(
            if boundary { closed } else { within },
            "cut at {length}: {error}"
        );
    }
}

#[test]
fn every_flipped_bit_is_an_error() {
    let sections = some_sections();
    let bytes = write(&header(), &sections);
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        must_fail(&damaged, &sections, &format!("bit {bit}"));
    }
}

/// A damaged length must not have the reader wait for bytes that never come: the reader of a
/// live channel has no end of the stream to save it.
#[test]
fn a_damaged_head_is_found_without_reading_further() {
    struct ThenHang<'a>(&'a [u8]);
    impl Read for ThenHang<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0.is_empty(), "the reader waits for more");
            self.0.read(into)
        }
    }
    let sections = some_sections();
    let bytes = write(&header(), &sections);
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (found, end) = read(ThenHang(&damaged));
        assert!(end.is_err() && sections.starts_with(&found), "bit {bit}");
    }
}

#[test]
fn sections_that_are_missing_doubled_or_moved_are_an_error() {
    let sections = some_sections();
    let bytes = write(&header(), &sections);
    let starts = boundaries(&header(), &sections);
    let part = |index: usize| &bytes[starts[index]..starts[index + 1]];
    let parts = starts.len() - 1;
    for index in 1..parts {
        let missing: Vec<u8> = (0..parts)
            .filter(|&i| i != index)
            .flat_map(part)
            .copied()
            .collect();
        let twice: Vec<u8> = (0..parts)
            .flat_map(|i| std::iter::repeat_n(i, 1 + usize::from(i == index)))
            .flat_map(part)
            .copied()
            .collect();
        let error = must_fail(&missing, &sections, "missing");
        match index == parts - 1 {
            true => assert!(matches!(error, StreamError::Closed { .. }), "{error}"),
            false => assert!(matches!(error, StreamError::Sequence { .. }), "{error}"),
        }
        let error = must_fail(&twice, &sections, "twice");
        match index == parts - 1 {
            true => assert!(matches!(error, StreamError::Trailing { .. }), "{error}"),
            false => assert!(matches!(error, StreamError::Sequence { .. }), "{error}"),
        }
    }
}

#[test]
fn limits_are_asked_by_name_before_anything_is_read() {
    let sections = some_sections();
    let bytes = write(&header(), &sections);
    let starts = boundaries(&header(), &sections);
    // Not a byte of the second section's payload is there.
    let cut = &bytes[..starts[2] + 96];
    let next = |limit: Option<usize>| {
        let (mut reader, _) = Reader::begin(cut).unwrap();
        reader.next(|_| Some(7)).unwrap();
        let error = reader
            .next(|name| {
                assert_eq!(name, "ram");
                limit
            })
            .unwrap_err();
        assert_eq!(reader.offset(), cut.len() as u64);
        error
    };
    assert!(matches!(next(Some(300)), StreamError::Truncated { .. }));
    let error = next(Some(299));
    assert!(
        matches!(
            &error,
            StreamError::TooLong {
                found: 300,
                limit: 299,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        format!(
            "section 'ram' (instance 0) at offset {} has 300 bytes, the limit is 299",
            starts[2]
        )
    );
    let error = next(None);
    assert!(
        matches!(
            &error,
            StreamError::Unknown { place: Place::Section { name, .. } } if name == "ram"
        ),
        "{error}"
    );
}

#[test]
fn names_are_printable_and_not_too_long() {
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    for name in ["", "two words", "ümlaut", "nul\0", long.as_str()] {
        let mut writer = Writer::replies(Vec::new());
        let error = writer.section(name, 0, 0, b"").unwrap_err();
        assert!(matches!(error, StreamError::Name { .. }), "{name}: {error}");
        assert!(writer.into_inner().is_empty());
    }
}

#[test]
fn a_header_that_is_too_long_is_not_written() {
    let mut header = header();
    header.program = "x".repeat(5000);
    let error = Writer::begin(Vec::new(), &header).unwrap_err();
    assert!(
        matches!(
            error,
            StreamError::TooLong {
                place: Place::Header,
                limit: 4096,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn sections_may_follow_the_end_and_replies_need_no_header() {
    let mut writer = Writer::replies(Vec::new());
    writer.section("loaded", 0, 1, b"").unwrap();
    writer.end().unwrap();
    writer.section("go", 0, 1, b"now").unwrap();
    let bytes = writer.into_inner();
    let mut reader = Reader::replies(bytes.as_slice());
    assert!(matches!(reader.next(|_| Some(0)), Ok(Item::Section(s)) if s.name == "loaded"));
    assert_eq!(reader.next(|_| None).unwrap(), Item::End);
    assert!(matches!(reader.next(|_| Some(3)), Ok(Item::Section(s)) if s.payload == b"now"));
    assert!(matches!(
        reader.next(|_| None),
        Err(StreamError::Closed { offset }) if offset == bytes.len() as u64
    ));
}

#[test]
fn a_channel_that_fails_is_told_with_the_place() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable is cut"))
        }
    }
    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let bytes = write(&header(), &some_sections());
    let (_, end) = read(bytes[..300].chain(Broken));
    let text = end.unwrap_err().to_string();
    assert!(text.ends_with("cannot be read: the cable is cut"), "{text}");
    let error = Writer::replies(Broken)
        .section("ram", 0, 1, b"x")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "section 'ram' (instance 0) at offset 0 cannot be written: the disk is full"
    );
}
