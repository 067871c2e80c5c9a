//! A proxy between source and destination which does one thing at one byte.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use migration::stream::{Item, Reader};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the source to the destination.
    There,
    /// From the destination to the source.
    Back,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    None,
    /// Both ways are closed.
    Cut,
    /// This way ends, the other goes on.
    HalfCut,
    /// Nothing goes either way any more, and nothing is closed.
    Stall,
    /// This way stands still, the other goes on.
    HalfStall,
    /// This bit of the byte is another one.
    Flip(u8),
    /// The hook is called before the byte goes on.
    Hook,
}

/// Where something goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spot {
    /// Before this byte.
    Byte(usize),
    /// Before the first section of this name. (How many pings come before it depends on how quick
    /// the host is.)
    Before(&'static str),
    /// So many bytes into that section.
    In(&'static str, usize),
}

impl Spot {
    /// Which of these bytes it is, of which the first has the number `done`.
    fn find(self, done: usize, bytes: &[u8]) -> Option<usize> {
        let (name, further) = match self {
            Self::Byte(at) => {
                let index = at.checked_sub(done)?;
                return (index < bytes.len()).then_some(index);
            }
            Self::Before(name) => (name, 0),
            Self::In(name, further) => (name, further),
        };
        // A section's head: 24 bytes, then the name, padded with zeros.
        let mut padded = name.as_bytes().to_vec();
        padded.resize(64, 0);
        let found = bytes.windows(64).position(|window| window == padded)?;
        let index = found.checked_sub(24)? + further;
        (index < bytes.len()).then_some(index)
    }
}

/// What goes wrong, and where on which way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    pub(crate) way: Way,
    pub(crate) at: Spot,
    pub(crate) kind: Kind,
}

pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

pub(crate) struct Proxy {
    threads: Vec<JoinHandle<()>>,
    ends: Arc<Mutex<Vec<UnixStream>>>,
    /// What went there and back.
    logs: [Arc<Mutex<Vec<u8>>>; 2],
    /// Whether that byte came.
    hit: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens at `from` and connects to `to`, once.
    pub(crate) fn new(from: &Path, to: &Path, fault: Fault, hook: Hook) -> Self {
        let listener = UnixListener::bind(from).unwrap();
        let to = to.to_owned();
        let ends = Arc::<Mutex<Vec<UnixStream>>>::default();
        let logs: [Arc<Mutex<Vec<u8>>>; 2] = Default::default();
        let hit = Arc::<AtomicBool>::default();
        let main = std::thread::spawn({
            let (ends, logs, hit) = (Arc::clone(&ends), logs.clone(), Arc::clone(&hit));
            move || {
                let (source, _) = listener.accept().unwrap();
                let destination = UnixStream::connect(to).unwrap();
                let both = [&source, &destination].map(|end| end.try_clone().unwrap());
                ends.lock().unwrap().extend(both);
                let stalled = Arc::new(AtomicBool::new(false));
                std::thread::scope(|scope| {
                    for (way, from, to, log) in [
                        (Way::There, &source, &destination, &logs[0]),
                        (Way::Back, &destination, &source, &logs[1]),
                    ] {
                        let here = (fault.way == way && fault.kind != Kind::None).then_some(fault);
                        let (hook, stalled) = (Arc::clone(&hook), Arc::clone(&stalled));
                        let hit = Arc::clone(&hit);
                        scope.spawn(move || forward(from, to, here, log, &hook, &stalled, &hit));
                    }
                });
            }
        });
        Self {
            threads: vec![main],
            ends,
            logs,
            hit,
        }
    }

    /// Ends what is left of it: what went there and back, and whether the byte of the fault came.
    pub(crate) fn finish(self) -> ([Vec<u8>; 2], bool) {
        for end in self.ends.lock().unwrap().iter() {
            let _ = end.shutdown(Shutdown::Both);
        }
        for thread in self.threads {
            crate::pair::join(thread);
        }
        let logs = self.logs.map(|log| log.lock().unwrap().clone());
        (logs, self.hit.load(SeqCst))
    }
}

fn forward(
    mut from: &UnixStream,
    mut to: &UnixStream,
    fault: Option<Fault>,
    log: &Mutex<Vec<u8>>,
    hook: &Hook,
    stalled: &AtomicBool,
    was_hit: &AtomicBool,
) {
    let mut buffer = vec![0; 1 << 16];
    let mut done = 0;
    let mut fault = fault;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) | Err(_) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(count) => count,
        };
        while stalled.load(SeqCst) {
            // Nothing moves; whoever waits gives up and closes.
            std::thread::sleep(Duration::from_millis(1));
            if is_closed(from) || is_closed(to) {
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                return;
            }
        }
        let bytes = &mut buffer[..count];
        let hit = fault.and_then(|fault| Some((fault.kind, fault.at.find(done, bytes)?)));
        if let Some((kind, index)) = hit {
            fault = None;
            was_hit.store(true, SeqCst);
            let (before, rest) = bytes.split_at_mut(index);
            if kind != Kind::None && !before.is_empty() && to.write_all(before).is_err() {
                return;
            }
            match kind {
                Kind::None => {}
                Kind::Cut => {
                    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    return;
                }
                Kind::HalfCut => {
                    let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
                    return;
                }
                Kind::Stall | Kind::HalfStall => {
                    stalled.store(kind == Kind::Stall, SeqCst);
                    while !is_closed(from) && !is_closed(to) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    return;
                }
                Kind::Flip(bit) => rest[0] ^= 1 << bit,
                Kind::Hook => hook(),
            }
            log.lock().unwrap().extend_from_slice(rest);
            if to.write_all(rest).is_err() {
                return;
            }
        } else {
            log.lock().unwrap().extend_from_slice(bytes);
            if to.write_all(bytes).is_err() {
                // The other side may still have something to say; its end closes this one.
                let _ = from.shutdown(Shutdown::Read);
                return;
            }
        }
        done += count;
    }
}

/// Whether the peer of this end has closed it.
fn is_closed(end: &UnixStream) -> bool {
    use std::os::fd::AsFd;
    let mut fds = [rustix::event::PollFd::from_borrowed_fd(
        end.as_fd(),
        rustix::event::PollFlags::RDHUP,
    )];
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let _ = rustix::event::poll(&mut fds, Some(&now));
    let closed = rustix::event::PollFlags::RDHUP | rustix::event::PollFlags::HUP;
    fds[0].revents().intersects(closed)
}

/// Where every section begins, and what it is called; the last entry is the end of the bytes.
pub(crate) fn sections(bytes: &[u8], replies: bool) -> Vec<(usize, String)> {
    let mut reader = if replies {
        Reader::replies(bytes)
    } else {
        Reader::begin(bytes).unwrap().0
    };
    let mut found = vec![(0, "header".to_owned())];
    if replies {
        found.clear();
    }
    loop {
        let at = reader.offset() as usize;
        let name = match reader.next(|_| Some(1 << 24)) {
            Ok(Item::Section(section)) => section.name.to_owned(),
            Ok(Item::End) => "end".to_owned(),
            Err(_) => break,
        };
        found.push((at, name));
    }
    found.push((bytes.len(), "nothing".to_owned()));
    found
}
