//! Measures what the stream moves per second: RAM sections from one thread to another over a
//! unix socket, and each stage by itself.
//!
//!     cargo run --release -p migration --example throughput [MiB]

use std::io::{self, IoSlice, Read, Write};
use std::time::{Duration, Instant};

use migration::ram::{
    Compression, Decoder, Encoder, MAX_PAYLOAD_BYTES, PAGE_BYTES, PageSet, PageSink, SECTION,
    VERSION,
};
use migration::stream::{Header, Item, Purpose, Reader, Writer};
use migration::transport::{Closer, Halves, Settings, Uri, connect, listen};

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Ram(Vec<u8>);

impl PageSink for Ram {
    fn data(&mut self, address: u64, bytes: &[u8]) -> Result<(), String> {
        self.0[address as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn zero(&mut self, address: u64, length: u64) -> Result<(), String> {
        self.0[address as usize..][..length as usize].fill(0);
        Ok(())
    }
}

/// Takes everything and counts it.
struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ram(bytes: usize, kind: &str) -> Vec<u8> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut ram = vec![0; bytes];
    for (number, page) in ram.chunks_exact_mut(PAGE_BYTES).enumerate() {
        if kind == "zero" || kind == "half" && number % 2 == 0 {
            // Touched, so that it is memory of its own.
            page[0] = 0;
            continue;
        }
        for word in page.chunks_exact_mut(8) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let value = if kind == "text" { seed & 0x0707 } else { seed };
            word.copy_from_slice(&value.to_le_bytes());
        }
    }
    ram
}

fn send<W: Write>(channel: W, ram: &[u8], compression: Compression) -> Result<u64, Failure> {
    let header = Header {
        architecture: "s390x".into(),
        machine: "none".into(),
        ram_bytes: ram.len() as u64,
        two_way: true,
        purpose: Purpose::Migration,
        program: "throughput".into(),
    };
    let mut writer = Writer::begin(channel, &header)?;
    let mut encoder = Encoder::new(compression)?;
    let pages = PageSet::full((ram.len() / PAGE_BYTES) as u64);
    let mut next = Some(0);
    while let Some(from) = next {
        (next, _) = encoder.fill(&pages, from, |address, bytes| {
            bytes.copy_from_slice(&ram[address as usize..][..bytes.len()]);
        })?;
        writer.section(SECTION, 0, VERSION, encoder.payload())?;
    }
    writer.end()?;
    Ok(writer.written())
}

fn receive<R: Read>(channel: R, ram: &mut Ram) -> Result<(), Failure> {
    let (mut reader, header) = Reader::begin(channel)?;
    let mut decoder = Decoder::new(header.ram_bytes);
    while let Item::Section(section) = reader.next(|_| Some(MAX_PAYLOAD_BYTES))? {
        decoder.apply(section.payload, ram)?;
    }
    Ok(())
}

fn report(what: &str, bytes: usize, wire: u64, took: Duration) {
    let rate = bytes as f64 / took.as_secs_f64() / 1e9;
    println!("{what:<28} {rate:7.2} GB/s of RAM, {wire} bytes in the stream");
}

fn main() -> Result<(), Failure> {
    let mib: usize = std::env::args()
        .nth(1)
        .map_or(Ok(512), |text| text.parse())?;
    let size = mib << 20;
    let folder = tempfile::tempdir()?;
    let uri: Uri = format!("unix:{}", folder.path().join("s").display()).parse()?;
    for (kind, compression) in [
        ("random", Compression::None),
        ("zero", Compression::None),
        ("half", Compression::None),
        ("text", Compression::Zstd { level: 1 }),
    ] {
        let source = ram(size, kind);
        for _ in 0..3 {
            let start = Instant::now();
            let wire = send(Sink, &source, compression)?;
            report(&format!("{kind}: making it"), size, wire, start.elapsed());
        }
        let mut stream = Vec::with_capacity(size + size / 16);
        send(&mut stream, &source, compression)?;
        let mut target = Ram(vec![1; size]);
        let start = Instant::now();
        receive(stream.as_slice(), &mut target)?;
        report(
            &format!("{kind}: taking it apart"),
            size,
            0,
            start.elapsed(),
        );
        drop(stream);
        for _ in 0..3 {
            let closer = Closer::new(Duration::from_secs(30))?;
            let listener = listen(&uri, &Settings::default(), &closer)?;
            let start = Instant::now();
            let wire = std::thread::scope(|scope| {
                let receiver = scope.spawn(|| -> Result<(), Failure> {
                    match listener.accept()?.halves {
                        Halves::TwoWay(read, _write) => receive(read, &mut target),
                        _ => unreachable!("a socket has two ways"),
                    }
                });
                let closer = Closer::new(Duration::from_secs(30))?;
                let channel = connect(&uri, &Settings::default(), &closer)?;
                let Halves::TwoWay(_read, write) = channel.halves else {
                    unreachable!("a socket has two ways");
                };
                let wire = send(write, &source, compression)?;
                receiver.join().expect("the receiver ends")?;
                Ok::<u64, Failure>(wire)
            })?;
            report(
                &format!("{kind}: over a unix socket"),
                size,
                wire,
                start.elapsed(),
            );
        }
        assert!(target.0 == source, "what arrived is what was sent");
    }
    Ok(())
}
