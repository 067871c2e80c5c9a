//! Measures what the stream moves per second: RAM sections from one thread to another over
//! sockets, and each end by itself.
//!
//!     cargo run --release -p migration --example throughput [MiB]

use std::io::{self, IoSlice, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use migration::ram::{
    Compression, Decoder, Encoder, MAX_PAYLOAD_BYTES, PAGE_BYTES, PageSet, PageSink, SECTION,
    VERSION,
};
use migration::stream::{Header, Item, Purpose, Reader, Writer};
use migration::transport::tls::{Credentials, Endpoint, Tls};
use migration::transport::{Closer, Halves, Settings, Uri, connect, listen};
use rustix::time::{ClockId, clock_gettime};

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

/// A clock of time and one of the processor time that the program has used.
struct Watch(Instant, Duration);

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

impl Watch {
    fn start() -> Self {
        Self(Instant::now(), processor_time())
    }

    fn report(self, what: &str, bytes: usize, wire: u64) {
        let (took, used) = (self.0.elapsed(), processor_time() - self.1);
        let gigabytes = bytes as f64 / 1e9;
        println!(
            "{what:<28} {:6.2} GB/s of RAM, {:5.3} processor s/GB, {:5.1} % in the stream",
            gigabytes / took.as_secs_f64(),
            used.as_secs_f64() / gigabytes,
            wire as f64 * 100.0 / bytes as f64,
        );
    }
}

/// Credentials of both ends, each trusting the other.
fn credentials(folder: &Path) -> Result<[Tls; 2], Failure> {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    for name in ["client", "server"] {
        let file = |what| folder.join(format!("{name}-{what}.pem"));
        std::fs::write(file("cert"), pair.cert.pem())?;
        std::fs::write(file("key"), pair.signing_key.serialize_pem())?;
    }
    let load = |endpoint| {
        Ok::<_, Failure>(Tls {
            credentials: Credentials::load(folder, endpoint, false)?,
            hostname: None,
            authorize: None,
        })
    };
    Ok([load(Endpoint::Client)?, load(Endpoint::Server)?])
}

fn settings(tls: Option<&Tls>) -> Settings<'_> {
    Settings {
        tls,
        ..Settings::default()
    }
}

/// Moves RAM through a channel: bytes in the stream.
fn over(
    place: &Uri,
    tls: Option<&[Tls; 2]>,
    source: &[u8],
    target: &mut Ram,
    compression: Compression,
) -> Result<u64, Failure> {
    let closer = || Closer::new(Duration::from_secs(30));
    let listener = listen(place, &settings(tls.map(|ends| &ends[1])), &closer()?)?;
    let to = listener.uri().clone();
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| match listener.accept()?.halves {
            Halves::TwoWay(read, _write) => receive(read, target),
            _ => Err("a socket has two ways".into()),
        });
        let channel = connect(&to, &settings(tls.map(|ends| &ends[0])), &closer()?)?;
        let Halves::TwoWay(_read, write) = channel.halves else {
            return Err("a socket has two ways".into());
        };
        let wire = send(write, source, compression)?;
        receiver.join().map_err(|_| "the receiver panicked")??;
        Ok(wire)
    })
}

fn main() -> Result<(), Failure> {
    let mib: usize = std::env::args()
        .nth(1)
        .map_or(Ok(512), |text| text.parse())?;
    let size = mib << 20;
    let folder = tempfile::tempdir()?;
    let ends = credentials(folder.path())?;
    let unix: Uri = format!("unix:{}", folder.path().join("s").display()).parse()?;
    let tcp: Uri = "tcp:localhost:0".parse()?;
    for (kind, compression) in [
        ("random", Compression::None),
        ("zero", Compression::None),
        ("half", Compression::None),
        ("text", Compression::Zstd { level: 1 }),
    ] {
        let source = ram(size, kind);
        for _ in 0..3 {
            let watch = Watch::start();
            let wire = send(Sink, &source, compression)?;
            watch.report(&format!("{kind}: making it"), size, wire);
        }
        let mut stream = Vec::with_capacity(size + size / 16);
        let wire = send(&mut stream, &source, compression)?;
        let mut target = Ram(vec![1; size]);
        let watch = Watch::start();
        receive(stream.as_slice(), &mut target)?;
        watch.report(&format!("{kind}: taking it apart"), size, wire);
        drop(stream);
        for (name, place, tls) in [
            ("unix", &unix, None),
            ("tcp", &tcp, None),
            ("tcp with TLS", &tcp, Some(&ends)),
        ] {
            for _ in 0..3 {
                let watch = Watch::start();
                let wire = over(place, tls, &source, &mut target, compression)?;
                watch.report(&format!("{kind}: over {name}"), size, wire);
            }
        }
        assert!(target.0 == source, "what arrived is what was sent");
    }
    Ok(())
}
