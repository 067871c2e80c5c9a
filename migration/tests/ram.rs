//! Pages of RAM: sets of them, and their way through records and back.
#![allow(clippy::unwrap_used, reason = "tests end where something is wrong")]

use std::collections::BTreeSet;

use migration::ram::{
    Compression, Decoder, Encoder, MAX_PAYLOAD_BYTES, PAGE_BYTES, PageCounts, PageSet, PageSink,
    RamError,
};
use proptest::prelude::*;

/// RAM of whole pages.
#[derive(Clone, PartialEq, Eq)]
struct Ram(Vec<u8>);

impl Ram {
    fn of(pages: &[Page]) -> Self {
        let mut bytes = Vec::new();
        for (number, page) in pages.iter().enumerate() {
            bytes.extend(page.bytes(number as u64));
        }
        Self(bytes)
    }

    fn page(&self, page: u64) -> &[u8] {
        &self.0[page as usize * PAGE_BYTES..][..PAGE_BYTES]
    }
}

impl PageSink for Ram {
    fn data(&mut self, address: u64, bytes: &[u8]) -> Result<(), String> {
        let into = self
            .0
            .get_mut(address as usize..)
            .ok_or("no such address")?;
        into.get_mut(..bytes.len())
            .ok_or("too long")?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn zero(&mut self, address: u64, length: u64) -> Result<(), String> {
        let into = self
            .0
            .get_mut(address as usize..)
            .ok_or("no such address")?;
        into.get_mut(..length as usize).ok_or("too long")?.fill(0);
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Page {
    Zero,
    /// Zero but for one byte.
    One(u16),
    /// Compresses well.
    Dull(u8),
    /// Does not compress.
    Noise(u64),
}

impl Page {
    fn bytes(self, number: u64) -> Vec<u8> {
        let mut bytes = vec![0; PAGE_BYTES];
        match self {
            Self::Zero => {}
            Self::One(at) => bytes[at as usize % PAGE_BYTES] = 1,
            Self::Dull(byte) => bytes.fill(byte | 1),
            Self::Noise(seed) => {
                let mut state = seed ^ number | 1;
                for byte in &mut bytes {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    *byte = (state >> 32) as u8;
                }
            }
        }
        bytes
    }
}

fn any_page() -> impl Strategy<Value = Page> {
    prop_oneof![
        Just(Page::Zero),
        any::<u16>().prop_map(Page::One),
        any::<u8>().prop_map(Page::Dull),
        any::<u64>().prop_map(Page::Noise),
    ]
}

/// Runs of pages of one sort, as RAM has them.
fn any_ram() -> impl Strategy<Value = Vec<Page>> {
    proptest::collection::vec((any_page(), 1..40_usize), 1..12).prop_map(|runs| {
        let runs = runs.into_iter();
        runs.flat_map(|(page, count)| vec![page; count]).collect()
    })
}

fn any_compression() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::None),
        (-5..4).prop_map(|level| Compression::Zstd { level }),
    ]
}

/// Sends the pages of a set: payloads and what they hold.
fn send(ram: &Ram, pages: &PageSet, compression: Compression) -> (Vec<Vec<u8>>, PageCounts) {
    let mut encoder = Encoder::new(compression).unwrap();
    let mut payloads = Vec::new();
    let mut counts = PageCounts::default();
    let mut next = Some(0);
    while let Some(from) = next {
        let (after, more) = encoder
            .fill(pages, from, |address, bytes| {
                bytes.copy_from_slice(ram.page(address / PAGE_BYTES as u64));
            })
            .unwrap();
        assert!(after.is_none_or(|after| after > from), "it goes on");
        assert!(encoder.payload().len() <= MAX_PAYLOAD_BYTES);
        payloads.push(encoder.payload().to_vec());
        counts += more;
        next = after;
    }
    (payloads, counts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_come_back(
        pages in any_ram(),
        compression in any_compression(),
        holes in proptest::collection::vec((0..500_u64, 1..30_u64), 0..10),
    ) {
        let ram = Ram::of(&pages);
        let size = pages.len() as u64;
        let mut set = PageSet::full(size);
        for (first, count) in holes {
            set.remove_range(first..first + count);
        }
        let (payloads, sent) = send(&ram, &set, compression);
        let mut target = Ram(vec![0xee; ram.0.len()]);
        let mut decoder = Decoder::new(ram.0.len() as u64);
        let mut came = PageCounts::default();
        for payload in &payloads {
            came += decoder.apply(payload, &mut target).unwrap();
        }
        prop_assert_eq!(sent, came);
        prop_assert_eq!(sent.total(), set.len());
        let zero = (0..size).filter(|&p| set.contains(p) && ram.page(p) == [0; PAGE_BYTES]);
        prop_assert_eq!(sent.zero, zero.count() as u64);
        for page in 0..size {
            if set.contains(page) {
                prop_assert!(target.page(page) == ram.page(page), "page {}", page);
            } else {
                prop_assert!(target.page(page) == [0xee; PAGE_BYTES], "page {}", page);
            }
        }
    }

    #[test]
    fn a_damaged_payload_does_no_harm(
        pages in any_ram(),
        compression in any_compression(),
        at in any::<proptest::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let ram = Ram::of(&pages);
        let (payloads, _) = send(&ram, &PageSet::full(pages.len() as u64), compression);
        let mut target = Ram(vec![0xee; ram.0.len()]);
        let mut decoder = Decoder::new(ram.0.len() as u64);
        let at = at.index(payloads[0].len());
        let mut damaged = payloads[0].clone();
        damaged[at] ^= flip;
        // The stream's checksum finds it; here it must only do nothing beyond the RAM's end,
        // where this sink's own error would show.
        for payload in [&payloads[0][..at], &damaged] {
            let result = decoder.apply(payload, &mut target);
            let beyond = matches!(result, Err(RamError::Sink { .. }));
            prop_assert!(!beyond, "it went to the sink");
        }
    }

    #[test]
    fn noise_is_no_payload(bytes in proptest::collection::vec(any::<u8>(), 1..100)) {
        let mut target = Ram(vec![0; 16 * PAGE_BYTES]);
        let result = Decoder::new(target.0.len() as u64).apply(&bytes, &mut target);
        let beyond = matches!(result, Err(RamError::Sink { .. }));
            prop_assert!(!beyond, "it went to the sink");
    }

    #[test]
    fn a_set_is_a_set(
        size in 0..400_u64,
        acts in proptest::collection::vec((0..6_u8, 0..450_u64, 0..200_u64, any::<u64>()), 0..30),
    ) {
        let mut set = PageSet::empty(size);
        let mut model = BTreeSet::new();
        for (act, first, count, bits) in acts {
            let range = first..first + count;
            match act {
                0 => {
                    set.insert(first);
                    model.extend((first < size).then_some(first));
                }
                1 => {
                    set.insert_range(range.clone());
                    model.extend(range.filter(|&page| page < size));
                }
                2 => {
                    set.remove_range(range.clone());
                    model.retain(|page| !range.contains(page));
                }
                3 => {
                    set.insert_word(first / 64, bits);
                    let base = first / 64 * 64;
                    let pages = (0..64).filter(|bit| bits >> bit & 1 != 0).map(|bit| base + bit);
                    model.extend(pages.filter(|&page| page < size));
                }
                4 => {
                    let mut other = PageSet::empty(size);
                    other.insert_range(range.clone());
                    set.union(&other);
                    model.extend(range.filter(|&page| page < size));
                }
                _ if count > 190 => {
                    set.clear();
                    model.clear();
                }
                _ => {}
            }
        }
        prop_assert_eq!(set.len(), model.len() as u64);
        prop_assert_eq!(set.is_empty(), model.is_empty());
        prop_assert_eq!(set.runs().flatten().collect::<Vec<_>>(),
                        model.iter().copied().collect::<Vec<_>>());
        for page in 0..size + 70 {
            prop_assert_eq!(set.contains(page), model.contains(&page));
        }
        let gaps = set.runs().zip(set.runs().skip(1)).all(|(a, b)| a.end < b.start);
        prop_assert!(gaps, "runs are as long as they can be");
    }
}

#[test]
fn an_empty_set_is_an_empty_payload() {
    let ram = Ram(Vec::new());
    let (payloads, counts) = send(&ram, &PageSet::empty(0), Compression::None);
    assert_eq!(payloads, [Vec::<u8>::new()]);
    assert_eq!(counts.total(), 0);
    let (payloads, _) = send(&ram, &PageSet::empty(1 << 20), Compression::None);
    assert_eq!(payloads, [Vec::<u8>::new()]);
}

#[test]
fn zero_pages_cost_a_record_and_long_runs_are_cut() {
    let pages = PageSet::full(40_000);
    let mut encoder = Encoder::new(Compression::None).unwrap();
    let read = |_: u64, bytes: &mut [u8]| bytes.fill(0);
    let (next, counts) = encoder.fill(&pages, 0, read).unwrap();
    assert_eq!(next, Some(counts.zero));
    assert!((1..40_000).contains(&counts.zero));
    assert_eq!(encoder.payload().len(), 16);
}

/// A record as the stream has it.
fn record(first: u64, count: u32, kind: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = first.to_le_bytes().to_vec();
    bytes.extend(count.to_le_bytes());
    bytes.extend((u32::from(kind) | (data.len() as u32) << 8).to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn records_that_make_no_sense_are_errors() {
    let page = [3; PAGE_BYTES];
    let packed = zstd::bulk::compress(&[3; 2 * PAGE_BYTES], 1).unwrap();
    let cases: [(&str, Vec<u8>, &str); 11] = [
        (
            "the RAM ends before",
            record(3, 2, 0, &[]),
            "the record at byte 0 is for 2 pages from page 3, the RAM has 4 pages",
        ),
        (
            "a number that runs over",
            record(u64::MAX, 2, 0, &[]),
            "the record at byte 0 is for 2 pages from page 18446744073709551615, the RAM has 4 \
             pages",
        ),
        (
            "no pages",
            record(0, 0, 0, &[]),
            "the record at byte 0 is for 0 pages from page 0, the RAM has 4 pages",
        ),
        (
            "zero pages with data",
            record(0, 1, 0, &[0]),
            "the record at byte 0 has 1 bytes of data for 1 pages",
        ),
        (
            "too little data",
            record(0, 2, 1, &page),
            "the record at byte 0 has 4096 bytes of data for 2 pages",
        ),
        (
            "another kind",
            record(0, 1, 3, &page),
            "the record at byte 0 is of unknown kind 3",
        ),
        (
            "data that are not there",
            record(0, 1, 1, &page)[..4000].to_vec(),
            "the record at byte 0 is incomplete: 112 bytes are missing",
        ),
        (
            "half a head",
            [record(1, 1, 1, &page), vec![0; 3]].concat(),
            "the record at byte 4112 is incomplete: 13 bytes are missing",
        ),
        (
            "packed pages that are fewer",
            record(0, 3, 2, &packed),
            "the record at byte 0 cannot be unpacked into 3 pages: it has 8192 bytes",
        ),
        (
            "packed pages that are more",
            record(0, 1, 2, &packed),
            "the record at byte 0 cannot be unpacked into 1 pages: Destination buffer is too small",
        ),
        (
            "packed noise",
            record(0, 1, 2, &[1; 100]),
            "the record at byte 0 cannot be unpacked into 1 pages: Unknown frame descriptor",
        ),
    ];
    for (what, payload, text) in cases {
        let mut target = Ram(vec![0; 4 * PAGE_BYTES]);
        let result = Decoder::new(4 * PAGE_BYTES as u64).apply(&payload, &mut target);
        assert_eq!(result.unwrap_err().to_string(), text, "{what}");
    }
}

#[test]
fn a_ram_that_takes_no_pages_is_told() {
    struct Refuses;
    impl PageSink for Refuses {
        fn data(&mut self, _: u64, _: &[u8]) -> Result<(), String> {
            Err("it is read-only".into())
        }
        fn zero(&mut self, _: u64, _: u64) -> Result<(), String> {
            Ok(())
        }
    }
    let payload = record(2, 1, 1, &[1; PAGE_BYTES]);
    let result = Decoder::new(1 << 20).apply(&payload, &mut Refuses);
    assert_eq!(
        result.unwrap_err().to_string(),
        "pages from address 0x2000 cannot be written: it is read-only"
    );
}
