#![allow(unsafe_code, reason = "an allocator that counts")]
//! Memory that reading a stream takes is bounded by what arrived and by the limits, whatever
//! the stream says.
#![allow(clippy::unwrap_used, reason = "tests end where something is wrong")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use migration::ram::{
    Compression, Decoder, Encoder, MAX_PAYLOAD_BYTES, PAGE_BYTES, PageSet, PageSink,
};
use migration::stream::{Header, Purpose, Reader, StreamError, Writer};

thread_local! {
    /// Bytes this thread holds, and the most it has held since the last reset.
    static HELD: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

struct Counting;

fn count(change: impl Fn(usize) -> usize) {
    // Gone at the thread's end; nothing is measured then.
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        let now = change(now);
        held.set((now, most.max(now)));
    });
}

// SAFETY: everything is the system's allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|now| now + layout.size());
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(|now| now.saturating_sub(layout.size()));
        // SAFETY: as the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that `act` held at a time.
fn peak<T>(act: impl FnOnce() -> T) -> (usize, T) {
    let before = HELD.get().0;
    HELD.set((before, before));
    let result = act();
    (HELD.get().1 - before, result)
}

/// A stream's head of a section which promises a payload of `length`, and `arrives` bytes of it.
fn promise(length: usize, arrives: usize) -> Vec<u8> {
    let mut writer = Writer::replies(Vec::new());
    writer.section("x", 0, 1, &vec![7; length]).unwrap();
    let mut bytes = writer.into_inner();
    bytes.truncate(96 + arrives);
    bytes
}

#[test]
fn a_promise_takes_no_memory() {
    for (length, arrives) in [
        (16 << 20, 0),
        (16 << 20, 5000),
        (16 << 20, 1 << 20),
        (1000, 10),
    ] {
        let bytes = promise(length, arrives);
        let (most, error) = peak(|| {
            let mut reader = Reader::replies(bytes.as_slice());
            reader.next(|_| Some(16 << 20)).unwrap_err()
        });
        assert!(matches!(error, StreamError::Truncated { .. }), "{error}");
        // While the buffer grows both the old and the new one are there.
        let allowed = 4 * (arrives + MAX_PAYLOAD_BYTES) + 4096;
        assert!(most <= allowed, "{most} bytes for {arrives} of {length}");
    }
    let bytes = promise(64 << 20, 64 << 20);
    let (most, error) = peak(|| {
        let mut reader = Reader::replies(bytes.as_slice());
        reader.next(|_| Some(1 << 20)).unwrap_err()
    });
    assert!(matches!(error, StreamError::TooLong { .. }), "{error}");
    assert!(most < 4096, "{most} bytes for a section beyond its limit");
}

#[test]
fn a_damaged_stream_takes_no_memory() {
    let header = Header {
        architecture: "s390x".into(),
        machine: "m".into(),
        ram_bytes: u64::MAX,
        two_way: false,
        purpose: Purpose::Snapshot,
        program: "p".into(),
    };
    let mut writer = Writer::begin(Vec::new(), &header).unwrap();
    writer.section("part", 0, 1, &[9; 100]).unwrap();
    writer.end().unwrap();
    let bytes = writer.into_inner();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (most, ()) = peak(|| {
            if let Ok((mut reader, _)) = Reader::begin(damaged.as_slice()) {
                while reader.next(|_| Some(16 << 20)).is_ok() {}
            }
        });
        assert!(most <= 2 * MAX_PAYLOAD_BYTES, "bit {bit}: {most} bytes");
    }
}

struct Nowhere;

impl PageSink for Nowhere {
    fn data(&mut self, _: u64, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn zero(&mut self, _: u64, _: u64) -> Result<(), String> {
        Ok(())
    }
}

/// A record of RAM as the stream has it.
fn record(first: u64, count: u32, kind: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = first.to_le_bytes().to_vec();
    bytes.extend(count.to_le_bytes());
    bytes.extend((u32::from(kind) | (data.len() as u32) << 8).to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn a_bomb_of_compressed_pages_takes_no_memory() {
    // Counted is what Rust allocates, where the pages go; zstd's own context has a fixed size, as
    // it unpacks at once into a given buffer.
    // A frame that unpacks to far more than its record may have, and says so or not.
    let large = zstd::bulk::compress(&vec![0; 512 << 20], 1).unwrap();
    let streamed = {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder.window_log(27).unwrap();
        io_copy(&mut encoder, 512 << 20);
        encoder.finish().unwrap()
    };
    assert!(large.len() < MAX_PAYLOAD_BYTES && streamed.len() < MAX_PAYLOAD_BYTES);
    for (what, frame) in [("sized", &large), ("streamed", &streamed)] {
        for count in [1, 64, 65, u32::MAX] {
            let payload = record(0, count, 2, frame);
            let (most, result) = peak(|| Decoder::new(1 << 60).apply(&payload, &mut Nowhere));
            assert!(result.is_err(), "{what}, {count} pages");
            assert!(most < 1 << 20, "{what}, {count} pages: {most} bytes");
        }
    }
}

fn io_copy(into: &mut impl std::io::Write, length: u64) {
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), length), into).unwrap();
}

#[test]
fn sending_takes_no_memory_by_the_size_of_ram() {
    let pages = PageSet::full(1 << 18);
    let (most, sent) = peak(|| {
        let mut encoder = Encoder::new(Compression::None).unwrap();
        let mut next = Some(0);
        let mut sent = 0;
        while let Some(from) = next {
            let (after, counts) = encoder
                .fill(&pages, from, |address, bytes| {
                    bytes.fill((address / PAGE_BYTES as u64 % 3) as u8);
                })
                .unwrap();
            assert!(encoder.payload().len() <= MAX_PAYLOAD_BYTES);
            sent += counts.total();
            next = after;
        }
        sent
    });
    assert_eq!(sent, 1 << 18);
    assert!(most <= MAX_PAYLOAD_BYTES + 4096, "{most} bytes");
}
