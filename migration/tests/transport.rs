//! Channels: every transport carries bytes and tells its end; peers that are gone or stand
//! still, and closing from another thread, end what waits.
#![allow(clippy::unwrap_used, reason = "tests end where something is wrong")]

use std::cell::RefCell;
use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use migration::transport::{
    Channel, Closed, Closer, Halves, ReadHalf, Settings, Stalled, TransportError, Uri, WriteHalf,
    connect, listen,
};

/// Long enough for everything that is to go well on a busy host.
const LONG: Duration = Duration::from_secs(60);
/// Short, for what is to stall.
const SHORT: Duration = Duration::from_millis(100);

fn closer(stall: Duration) -> Closer {
    Closer::new(stall).unwrap()
}

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

fn unix(path: &Path) -> Uri {
    Uri::Unix {
        path: path.to_owned(),
    }
}

fn out(uri: &Uri) -> Channel {
    connect(uri, &Settings::default(), &closer(LONG)).unwrap()
}

fn two(channel: Channel) -> (ReadHalf, WriteHalf) {
    match channel.halves {
        Halves::TwoWay(read, write) => (read, write),
        other => panic!("{other:?} has not two ways"),
    }
}

fn write_half(channel: Channel) -> WriteHalf {
    match channel.halves {
        Halves::Write(write) => write,
        other => panic!("{other:?} is not only to write"),
    }
}

fn read_half(channel: Channel) -> ReadHalf {
    match channel.halves {
        Halves::Read(read) => read,
        other => panic!("{other:?} is not only to read"),
    }
}

fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push((state >> 24) as u8);
    }
    bytes
}

/// Connects the ends of a place and has `there` accept in a thread.
fn pair(place: &Uri, stall: Duration) -> (Channel, Channel) {
    let listener = listen(place, &Settings::default(), &closer(stall)).unwrap();
    let to = listener.uri().clone();
    let there = thread::spawn(move || listener.accept().unwrap());
    let here = connect(&to, &Settings::default(), &closer(stall)).unwrap();
    (here, there.join().unwrap())
}

/// Sends `bytes` both ways at the same time from two threads on each side.
fn full_duplex(here: Channel, there: Channel) {
    let (here_read, here_write) = two(here);
    let (there_read, there_write) = two(there);
    let threads = [(here_write, there_read, 1), (there_write, here_read, 2)];
    let threads = threads.map(|(mut write, mut read, seed)| {
        let bytes = noise(3 << 20, seed);
        let sent = bytes.clone();
        let writer = thread::spawn(move || {
            write.write_all(&sent).unwrap();
            write.finish().unwrap();
        });
        let reader = thread::spawn(move || {
            let mut found = Vec::new();
            read.read_to_end(&mut found).unwrap();
            assert!(found == bytes, "what arrived is what was sent");
        });
        [writer, reader]
    });
    for thread in threads.into_iter().flatten() {
        thread.join().unwrap();
    }
}

#[test]
fn a_unix_socket_has_two_ways_and_its_path_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("incoming");
    for _ in 0..3 {
        let listener = listen(&unix(&path), &Settings::default(), &closer(LONG)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "only this user may connect");
        let there = thread::spawn(move || listener.accept().unwrap());
        let here = out(&unix(&path));
        let there = there.join().unwrap();
        assert!(!path.exists(), "the path is free for the next one");
        assert!(here.two_way() && there.two_way());
        full_duplex(here, there);
    }
    let listener = listen(&unix(&path), &Settings::default(), &closer(LONG)).unwrap();
    drop(listener);
    assert!(!path.exists(), "the path goes with its listener");
}

#[test]
fn a_unix_listener_leaves_what_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("incoming");
    std::fs::write(&path, "a file").unwrap();
    let error = listen(&unix(&path), &Settings::default(), &closer(LONG)).unwrap_err();
    assert!(matches!(error, TransportError::Listen { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    std::fs::remove_file(&path).unwrap();
    // A socket that somebody left is replaced, and somebody else's later one stays.
    drop(UnixListener::bind(&path).unwrap());
    let listener = listen(&unix(&path), &Settings::default(), &closer(LONG)).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    drop(listener);
    assert!(path.exists());
}

#[test]
fn tcp_stays_on_this_host_unless_told_otherwise() {
    for place in ["tcp::0", "tcp:0:0", "tcp:127.0.0.1:0", "tcp:localhost:0"] {
        let listener = listen(&uri(place), &Settings::default(), &closer(LONG)).unwrap();
        assert_eq!(listener.warnings(), Vec::<String>::new(), "{place}");
        let Uri::Tcp { port, .. } = *listener.uri() else {
            panic!("{place} is not TCP");
        };
        assert_ne!(port, 0);
        drop(listener);
        let (here, there) = pair(&uri(place), LONG);
        assert!(here.warnings.is_empty() && there.warnings.is_empty());
        full_duplex(here, there);
    }
    let listener = listen(&uri("tcp:0.0.0.0:0"), &Settings::default(), &closer(LONG)).unwrap();
    let warnings = listener.warnings();
    assert!(
        warnings.len() == 1 && warnings[0].contains("without TLS"),
        "{warnings:?}"
    );
}

#[test]
fn a_connection_that_nobody_takes_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let left = folder.path().join("left");
    drop(UnixListener::bind(&left).unwrap());
    for place in [
        unix(&folder.path().join("nothing")),
        unix(&left),
        Uri::Tcp { host: None, port },
    ] {
        let error = connect(&place, &Settings::default(), &closer(LONG)).unwrap_err();
        assert!(matches!(error, TransportError::Connect { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("cannot connect to {place}: ")),
            "{text}"
        );
    }
}

#[test]
fn a_file_holds_the_stream_from_its_offset_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vm");
    let bytes = noise(1 << 20, 3);
    for (text, before) in [("", ""), (",offset=0x10", "sixteen bytes it")] {
        std::fs::write(&path, "sixteen bytes it was, and more").unwrap();
        let place = uri(&format!("file:{}{text}", path.display()));
        let mut write = write_half(out(&place));
        write.write_all(&bytes).unwrap();
        write.finish().unwrap();
        let contents = std::fs::read(&path).unwrap();
        assert!(contents[..before.len()] == *before.as_bytes());
        assert!(contents[before.len()..] == bytes);
        let listener = listen(&place, &Settings::default(), &closer(LONG)).unwrap();
        let mut found = Vec::new();
        let mut read = read_half(listener.accept().unwrap());
        read.read_to_end(&mut found).unwrap();
        assert!(found == bytes);
    }
    let missing = uri(&format!("file:{}/none", folder.path().display()));
    let error = listen(&missing, &Settings::default(), &closer(LONG)).unwrap_err();
    assert!(matches!(error, TransportError::Open { .. }), "{error}");
    let folder = uri(&format!("file:{}", folder.path().display()));
    let error = connect(&folder, &Settings::default(), &closer(LONG)).unwrap_err();
    assert!(matches!(error, TransportError::Open { .. }), "{error}");
}

#[test]
fn a_full_disk_is_an_error() {
    if !Path::new("/dev/full").exists() {
        println!("SKIPPED: there is no /dev/full here");
        return;
    }
    let mut write = write_half(out(&uri("file:/dev/full")));
    let error = write.write_all(b"a stream").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn a_command_gets_the_stream_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vm");
    let bytes = noise(1 << 20, 4);
    let mut write = write_half(out(&uri(&format!("exec:cat > {}", path.display()))));
    write.write_all(&bytes).unwrap();
    write.finish().unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    let place = uri(&format!("exec:cat {}", path.display()));
    let listener = listen(&place, &Settings::default(), &closer(LONG)).unwrap();
    let mut found = Vec::new();
    let mut read = read_half(listener.accept().unwrap());
    read.read_to_end(&mut found).unwrap();
    assert!(found == bytes);
}

#[test]
fn a_command_that_fails_says_how() {
    let mut write = write_half(out(&uri("exec:cat > /dev/null; exit 3")));
    write.write_all(b"a stream").unwrap();
    let error = write.finish().unwrap_err();
    assert_eq!(error.to_string(), "the command failed with exit status 3");

    let mut write = write_half(out(&uri("exec:exit 4")));
    let bytes = noise(1 << 20, 5);
    let error = write.write_all(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "the command failed with exit status 4");

    let mut write = write_half(out(&uri("exec:kill -9 $$")));
    let error = write.write_all(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "the command was killed by signal 9");

    let place = uri("exec:printf half; exit 5");
    let listener = listen(&place, &Settings::default(), &closer(LONG)).unwrap();
    let mut read = read_half(listener.accept().unwrap());
    let mut found = [0; 4];
    read.read_exact(&mut found).unwrap();
    assert_eq!(&found, b"half");
    for _ in 0..2 {
        let error = read.read(&mut found).unwrap_err();
        assert_eq!(error.to_string(), "the command failed with exit status 5");
    }
}

/// Whether a process runs, as its file in /proc says.
fn runs(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_command_that_is_given_up_ends_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let command = format!("sleep 1000 & echo $! $$ > {}; wait", pids.display());
    let write = write_half(out(&uri(&format!("exec:{command}"))));
    let mut text = String::new();
    while !text.ends_with('\n') {
        thread::yield_now();
        text = std::fs::read_to_string(&pids).unwrap_or_default();
    }
    drop(write);
    for pid in text.split_whitespace() {
        while runs(pid) {
            thread::yield_now();
        }
    }
}

fn named(place: &str, fd: impl Into<OwnedFd>, incoming: bool) -> Result<Channel, TransportError> {
    let fd = RefCell::new(Some(fd.into()));
    let settings = Settings {
        named_fd: &|name| (name == "mine").then(|| fd.take()).flatten(),
        ..Settings::default()
    };
    match incoming {
        true => listen(&uri(place), &settings, &closer(LONG))?.accept(),
        false => connect(&uri(place), &settings, &closer(LONG)),
    }
}

#[test]
fn a_named_descriptor_is_what_it_is() {
    let (here, there) = UnixStream::pair().unwrap();
    let here = named("fd:mine", here, false).unwrap();
    let there = named("fd:mine", there, true).unwrap();
    full_duplex(here, there);

    let (read, write) = std::io::pipe().unwrap();
    let mut write = write_half(named("fd:mine", write, false).unwrap());
    let mut read = read_half(named("fd:mine", read, true).unwrap());
    write.write_all(b"a stream").unwrap();
    write.finish().unwrap();
    let mut found = String::new();
    read.read_to_string(&mut found).unwrap();
    assert_eq!(found, "a stream");

    let (read, write) = std::io::pipe().unwrap();
    for (fd, incoming) in [(OwnedFd::from(read), false), (write.into(), true)] {
        let error = named("fd:mine", fd, incoming).unwrap_err();
        assert!(matches!(error, TransportError::Open { .. }), "{error}");
    }
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = named("fd:mine", listening, true).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the socket is not a connected stream")
    );
    let (fd, _other) = UnixStream::pair().unwrap();
    let error = named("fd:yours", fd, true).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("no descriptor named 'yours' has been given")
    );
}

#[test]
fn only_inherited_numbers_are_taken() {
    // What this program opened itself is not for others to name.
    let (own, mut other) = UnixStream::pair().unwrap();
    let place = Uri::Fd {
        number: own.as_raw_fd(),
    };
    let error = connect(&place, &Settings::default(), &closer(LONG)).unwrap_err();
    assert!(matches!(error, TransportError::Open { .. }), "{error}");
    for number in [-1, i32::MAX] {
        let place = Uri::Fd { number };
        let error = listen(&place, &Settings::default(), &closer(LONG)).unwrap_err();
        assert!(matches!(error, TransportError::Open { .. }), "{error}");
    }
    // One that would have survived exec is, once.
    let place = Uri::Fd {
        number: std::os::fd::IntoRawFd::into_raw_fd(own),
    };
    let Uri::Fd { number } = place else {
        panic!("{place} is a number");
    };
    set_inheritable(number);
    let (_read, mut write) = two(out(&place));
    let error = connect(&place, &Settings::default(), &closer(LONG)).unwrap_err();
    assert!(matches!(error, TransportError::Open { .. }), "{error}");
    write.write_all(b"x").unwrap();
    let mut found = [0];
    other.read_exact(&mut found).unwrap();
}

/// Clears close-on-exec of a descriptor, as on one that was inherited.
fn set_inheritable(number: i32) {
    let link = format!("/proc/self/fd/{number}");
    assert!(Path::new(&link).exists());
    inheritable::set(number);
}

mod inheritable {
    #![allow(unsafe_code, reason = "a descriptor is named by its number")]

    use std::os::fd::BorrowedFd;

    pub(super) fn set(number: i32) {
        // SAFETY: the caller has it open.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).unwrap();
    }
}

/// The error of an operation that was ended by the time-out.
fn stalled(result: std::io::Result<usize>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    assert_eq!(inner, Some(&Stalled { after: SHORT }));
    assert_eq!(error.to_string(), "no byte moved on the channel for 100 ms");
}

fn closed(result: std::io::Result<usize>) {
    let error = result.unwrap_err();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    assert_eq!(inner, Some(&Closed), "{error}");
}

/// Writes until nothing goes any more.
fn write_for_ever(write: &mut WriteHalf) -> std::io::Result<usize> {
    let bytes = [7; 64 << 10];
    loop {
        let _written = write.write_vectored(&[IoSlice::new(&bytes), IoSlice::new(&bytes)])?;
    }
}

#[test]
fn a_peer_that_stands_still_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    for place in [unix(&folder.path().join("s")), uri("tcp::0")] {
        let (here, there) = pair(&place, SHORT);
        let (mut read, mut write) = two(here);
        stalled(read.read(&mut [0; 10]));
        stalled(write_for_ever(&mut write));
        drop(there);
    }
    let mut write = write_half(
        connect(
            &uri("exec:sleep 1000"),
            &Settings::default(),
            &closer(SHORT),
        )
        .unwrap(),
    );
    stalled(write_for_ever(&mut write));
    let write = write_half(
        connect(
            &uri("exec:sleep 1000"),
            &Settings::default(),
            &closer(SHORT),
        )
        .unwrap(),
    );
    stalled(write.finish().map(|()| 0));
    let listener = listen(
        &uri("exec:sleep 1000"),
        &Settings::default(),
        &closer(SHORT),
    )
    .unwrap();
    stalled(read_half(listener.accept().unwrap()).read(&mut [0]));
    // Nobody takes connections, but the host's queue does.
    let queue = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Uri::Tcp {
        host: None,
        port: queue.local_addr().unwrap().port(),
    };
    let (mut read, _write) = two(connect(&place, &Settings::default(), &closer(SHORT)).unwrap());
    stalled(read.read(&mut [0]));
}

/// While bytes move in one direction, the other may wait.
#[test]
fn progress_in_one_direction_is_progress() {
    let (here, there) = pair(&uri("tcp::0"), SHORT * 20);
    let (mut read, mut write) = two(here);
    let (mut there_read, mut there_write) = two(there);
    let answer = thread::spawn(move || {
        let mut found = [0];
        read.read_exact(&mut found).unwrap();
        found
    });
    // Far longer than the time-out in all, never so long at a time.
    for _ in 0..30 {
        thread::sleep(SHORT);
        write.write_all(&[1]).unwrap();
        there_read.read_exact(&mut [0]).unwrap();
    }
    there_write.write_all(&[9]).unwrap();
    assert_eq!(answer.join().unwrap(), [9]);
}

#[test]
fn a_peer_that_is_gone_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for place in [unix(&folder.path().join("s")), uri("tcp::0")] {
        let (here, there) = pair(&place, LONG);
        let (mut read, mut write) = two(here);
        drop(there);
        assert_eq!(read.read(&mut [0; 10]).unwrap(), 0);
        let error = write_for_ever(&mut write).unwrap_err();
        let kind = error.kind();
        assert!(
            matches!(
                kind,
                std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset
            ),
            "{error}"
        );
    }
}

#[test]
fn closing_ends_whatever_waits() {
    let folder = tempfile::tempdir().unwrap();
    for place in [unix(&folder.path().join("s")), uri("tcp::0")] {
        // A listener.
        let closer_there = closer(LONG);
        let listener = listen(&place, &Settings::default(), &closer_there).unwrap();
        let waits = thread::spawn(move || listener.accept());
        closer_there.close();
        let error = waits.join().unwrap().unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("the channel was shut down from this side"),
            "{error}"
        );
        assert!(closer_there.is_closed());
        // Both halves in use; the peer learns it as well.
        let (here, there) = pair(&place, LONG);
        let closer_here = here.closer.clone();
        let (mut read, mut write) = two(here);
        let (tell, told) = mpsc::channel();
        let told_too = tell.clone();
        let threads = [
            thread::spawn(move || {
                tell.send(()).unwrap();
                closed(read.read(&mut [0]));
                closed(read.read(&mut [0]));
            }),
            thread::spawn(move || {
                told_too.send(()).unwrap();
                closed(write_for_ever(&mut write));
                closed(write.write(&[1]));
            }),
        ];
        told.recv().unwrap();
        told.recv().unwrap();
        closer_here.close();
        for thread in threads {
            thread.join().unwrap();
        }
        let (mut read, _write) = two(there);
        let mut rest = Vec::new();
        // Reset or ended, but not waiting.
        let _ = read.read_to_end(&mut rest);
    }
    // What is closed before is not opened.
    let before = closer(LONG);
    before.close();
    let path = folder.path().join("s");
    let _listening = UnixListener::bind(&path).unwrap();
    let error = connect(&unix(&path), &Settings::default(), &before).unwrap_err();
    assert!(matches!(error, TransportError::Connect { .. }), "{error}");
    // A pipe.
    let listener = listen(&uri("exec:sleep 1000"), &Settings::default(), &closer(LONG)).unwrap();
    let channel = listener.accept().unwrap();
    let ends = channel.closer.clone();
    let mut read = read_half(channel);
    let waits = thread::spawn(move || closed(read.read(&mut [0])));
    ends.close();
    waits.join().unwrap();
}

#[test]
fn a_strangers_connection_is_as_good_as_any() {
    let listener = listen(&uri("tcp::0"), &Settings::default(), &closer(LONG)).unwrap();
    let Uri::Tcp { port, .. } = *listener.uri() else {
        panic!("it is TCP");
    };
    let mut stranger = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut read, _write) = two(listener.accept().unwrap());
    stranger.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    drop(stranger);
    let error = migration::stream::Reader::begin(&mut read).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the stream ends within the stream's header"),
        "{error}"
    );
}

#[test]
fn texts_are_read_as_qemu_reads_them() {
    let path = |text: &str| PathBuf::from(text);
    let tcp = |host: Option<&str>, port| Uri::Tcp {
        host: host.map(str::to_owned),
        port,
    };
    let file = |text: &str, offset| Uri::File {
        path: path(text),
        offset,
    };
    let good = [
        (
            "unix:/a,b:c",
            Uri::Unix {
                path: path("/a,b:c"),
            },
        ),
        ("tcp::4444", tcp(None, 4444)),
        ("tcp:0:4444", tcp(None, 4444)),
        ("tcp:0.0.0.0:4444", tcp(Some("0.0.0.0"), 4444)),
        ("tcp:host.example:0", tcp(Some("host.example"), 0)),
        ("tcp:[::1]:65535", tcp(Some("::1"), 65535)),
        (
            "exec:gzip -c > /a:b",
            Uri::Exec {
                command: "gzip -c > /a:b".into(),
            },
        ),
        ("file:/a/b", file("/a/b", 0)),
        ("file:/a,b,offset=4096", file("/a,b", 4096)),
        ("file:/a,offset=0x1000", file("/a", 4096)),
        ("file:/a,offset=4k", file("/a", 4096)),
        ("file:/a,offset=1G", file("/a", 1 << 30)),
        ("fd:7", Uri::Fd { number: 7 }),
        (
            "fd:mine",
            Uri::NamedFd {
                name: "mine".into(),
            },
        ),
    ];
    for (text, expected) in good {
        let found = uri(text);
        assert_eq!(found, expected, "{text}");
        assert_eq!(uri(&found.to_string()), expected, "{text}");
    }
    let bad = [
        ("", "unknown migration protocol: ''"),
        ("/a/path", "unknown migration protocol: '/a/path'"),
        ("rdma:host:1", "unknown migration protocol: 'rdma:host:1'"),
        ("unix:", "'unix:' has no path"),
        ("exec:", "'exec:' has no command"),
        ("fd:", "'fd:' has no descriptor"),
        ("file:,offset=1", "'file:,offset=1' has no path"),
        (
            "file:/a,offset=x",
            "'x' in 'file:/a,offset=x' is no offset in bytes (as 4096 or 4k)",
        ),
        (
            "file:/a,offset=99999999999T",
            "'99999999999T' in 'file:/a,offset=99999999999T' is no offset in bytes (as 4096 or \
             4k)",
        ),
        ("tcp:host", "'tcp:host' has no port"),
        ("tcp:host:", "'tcp:host:' has no port"),
        ("tcp:[::1]", "'tcp:[::1]' has no port"),
        (
            "tcp:[::1:1",
            "'::1:1' in 'tcp:[::1:1' is no IPv6 address in brackets",
        ),
        (
            "tcp:host:65536",
            "'65536' in 'tcp:host:65536' is no port (0 to 65535)",
        ),
        ("tcp:a/b:1", "'a/b' in 'tcp:a/b:1' is no host"),
        ("fd:7a", "'7a' in 'fd:7a' is no descriptor's number"),
    ];
    for (text, start) in bad {
        let error = text.parse::<Uri>().unwrap_err().to_string();
        assert!(error.starts_with(start), "{text}: {error}");
    }
}
