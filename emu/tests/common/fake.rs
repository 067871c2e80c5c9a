//! The fake machine: vCPUs that pass the real gate, a real guest clock, and a console that obeys
//! lines of text.
//!
//! `poweroff`, `crash`, `reboot`, `fail` raise the guest event; `flood` writes 8 MiB; `deaf`
//! takes no further input; `rtc N` changes the x86 machine's date to N seconds from its base;
//! anything else is answered with `got: LINE`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use crossbeam::channel::Sender;
use machine::{
    AddressSpace, ConsoleInput, ConsoleOutput, CpuSummary, GuestEvent, GuestRam, Machine,
    MachineConfig, MachineError, MachineParts, MachineType, PanicInfo, RealTimeClock, ResetCause,
    RtcTime, ShutdownCause,
};
use tod::run::Passage;
use tod::{AllParked, EpochClock, Policy, StartToken, VcpuGate};

pub const FLOOD_BYTES: usize = 8 << 20;

pub static TYPES: &[&dyn MachineType] =
    &[&FakeType { arch: "s390x" }, &FakeType { arch: "x86_64" }];

pub struct FakeType {
    arch: &'static str,
}

impl MachineType for FakeType {
    fn names(&self) -> &'static [&'static str] {
        if self.arch == "s390x" {
            &["s390-ccw-virtio", "fake"]
        } else {
            &["pc"]
        }
    }

    fn description(&self) -> &'static str {
        "threads without a guest"
    }

    fn arch(&self) -> &'static str {
        self.arch
    }

    fn default_ram_bytes(&self) -> u64 {
        16 << 20
    }

    fn cpu_models(&self) -> &'static [&'static str] {
        &["qemu", "max"]
    }

    fn create(
        &self,
        config: &MachineConfig,
        parts: MachineParts<'_>,
    ) -> Result<Box<dyn Machine>, MachineError> {
        if let Some(kernel) = &config.boot.kernel {
            std::fs::metadata(kernel).map_err(|e| MachineError::Kernel {
                name: kernel.display().to_string(),
                why: e.to_string(),
            })?;
        }
        let clock = EpochClock::at_host_time(parts.clocks.timebase());
        parts
            .clocks
            .register("tod", Box::new(clock), Policy::Freeze)
            .unwrap();
        let inbox = Arc::new(Inbox::default());
        let count = config.smp.cpus as usize;
        let kicks = (0..count)
            .map(|_| {
                let inbox = Arc::clone(&inbox);
                let kick: tod::run::Kick = Box::new(move || {
                    let _input = inbox.input();
                    inbox.changed.notify_all();
                });
                kick
            })
            .collect();
        let ram = GuestRam::new(config.ram_bytes).unwrap();
        ram.write(0x100, b"It's here").unwrap();
        let shared = Arc::new(Shared {
            gate: VcpuGate::new(kicks),
            inbox,
            ram,
            events: parts.events,
            console: parts.console,
            rtc: Arc::default(),
            resets: AtomicU32::new(0),
            inside: AtomicUsize::new(0),
            looks: AtomicUsize::new(0),
            shown: AtomicUsize::new(0),
        });
        let threads = (0..count)
            .map(|cpu| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.vcpu(cpu))
            })
            .collect();
        Ok(Box::new(Fake {
            rtc: self.arch == "x86_64",
            shared,
            threads: Mutex::new(threads),
            count,
        }))
    }
}

type Ready = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Inbox {
    input: Mutex<VecDeque<u8>>,
    changed: Condvar,
    deaf: AtomicBool,
    ready: Mutex<Option<Ready>>,
}

impl Inbox {
    fn input(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.input.lock().unwrap()
    }
}

struct Shared {
    gate: VcpuGate,
    inbox: Arc<Inbox>,
    ram: GuestRam,
    events: Sender<GuestEvent>,
    console: Option<Arc<dyn ConsoleOutput>>,
    rtc: Arc<Rtc>,
    resets: AtomicU32,
    /// vCPUs that are past the gate.
    inside: AtomicUsize,
    /// How often CPU 0 was to show itself, and how often it has.
    looks: AtomicUsize,
    shown: AtomicUsize,
}

impl Shared {
    fn vcpu(&self, cpu: usize) {
        let seat = self.gate.seat(cpu).unwrap();
        let mut line = Vec::new();
        while seat.pass() == Passage::Run {
            self.inside.fetch_add(1, Ordering::SeqCst);
            // Only CPU 0 reads the console; the others wait to be kicked.
            let byte = {
                let mut input = self.inbox.input();
                loop {
                    let looks = self.looks.load(Ordering::SeqCst);
                    if seat.stop_requested() {
                        break None;
                    }
                    if cpu == 0 && self.shown.swap(looks, Ordering::SeqCst) != looks {
                        break None;
                    }
                    if cpu == 0
                        && !self.inbox.deaf.load(Ordering::SeqCst)
                        && let Some(byte) = input.pop_front()
                    {
                        break Some(byte);
                    }
                    input = self.inbox.changed.wait(input).unwrap();
                }
            };
            if let Some(byte) = byte {
                if let Some(ready) = &*self.inbox.ready.lock().unwrap() {
                    ready();
                }
                if byte == b'\r' || byte == b'\n' {
                    self.obey(&std::mem::take(&mut line));
                } else {
                    line.push(byte);
                }
            }
            self.inside.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn print(&self, bytes: &[u8]) {
        if let Some(console) = &self.console {
            console.write(bytes);
        }
    }

    fn obey(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        if let Some(offset) = text.strip_prefix("rtc ") {
            let offset_s = offset.parse().unwrap();
            self.rtc.offset_s.store(offset_s, Ordering::SeqCst);
            let _ = self.events.send(GuestEvent::RtcChange { offset_s });
            return;
        }
        let event = match line {
            b"poweroff" => GuestEvent::Shutdown(ShutdownCause::Guest),
            b"reboot" => GuestEvent::Reset(ResetCause::GuestReipl),
            b"reboot-kept" => GuestEvent::Reset(ResetCause::GuestModified { keep_memory: true }),
            b"fail" => GuestEvent::InternalError("the fake machine was told to fail".into()),
            b"crash" => GuestEvent::Panicked(PanicInfo::S390 {
                core: 0,
                psw_mask: 0x0002_0001_8000_0000,
                psw_addr: 0xdead,
                reason: "disabled-wait",
            }),
            b"deaf" => return self.inbox.deaf.store(true, Ordering::SeqCst),
            b"flood" => {
                for _ in 0..FLOOD_BYTES / 4096 {
                    self.print(&[b'f'; 4096]);
                }
                return self.print(b"\nflooded\n");
            }
            b"panic" => panic!("the fake machine was told to panic"),
            other => {
                let mut answer = b"got: ".to_vec();
                answer.extend(other.escape_ascii());
                answer.push(b'\n');
                return self.print(&answer);
            }
        };
        let _ = self.events.send(event);
    }
}

/// A clock that shows its offset as the second of a minute.
#[derive(Default)]
struct Rtc {
    offset_s: AtomicI64,
}

impl RealTimeClock for Rtc {
    fn time(&self) -> RtcTime {
        RtcTime {
            tm_year: 126,
            tm_mon: 10,
            tm_mday: 22,
            tm_hour: 9,
            tm_min: 5,
            tm_sec: self.offset_s(),
        }
    }

    fn offset_s(&self) -> i64 {
        self.offset_s.load(Ordering::SeqCst)
    }

    fn reset_reinjection(&self) {
        self.offset_s.store(0, Ordering::SeqCst);
    }
}

struct Fake {
    rtc: bool,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    count: usize,
}

impl ConsoleInput for Inbox {
    fn push(&self, bytes: &[u8]) -> usize {
        let mut input = self.input();
        // As small as a real console's buffer.
        let taken = bytes.len().min(64_usize.saturating_sub(input.len()));
        input.extend(&bytes[..taken]);
        self.changed.notify_all();
        taken
    }

    fn set_ready(&self, ready: Ready) {
        *self.ready.lock().unwrap() = Some(ready);
    }
}

impl Machine for Fake {
    fn park(&self) -> AllParked {
        let parked = self.shared.gate.close_and_wait();
        assert_eq!(self.shared.inside.load(Ordering::SeqCst), 0);
        parked
    }

    fn unpark(&self, token: StartToken) {
        self.shared.gate.open(token);
    }

    fn reset(&self, _: ResetCause) -> Result<(), MachineError> {
        assert_eq!(self.shared.inside.load(Ordering::SeqCst), 0);
        self.shared.resets.fetch_add(1, Ordering::SeqCst);
        self.shared.print(b"reset\n");
        Ok(())
    }

    fn powerdown(&self) -> bool {
        self.shared.print(b"powerdown\n");
        true
    }

    fn console_input(&self) -> Option<Arc<dyn ConsoleInput>> {
        Some(Arc::clone(&self.shared.inbox) as _)
    }

    fn rtc(&self) -> Option<Arc<dyn RealTimeClock>> {
        self.rtc.then(|| Arc::clone(&self.shared.rtc) as _)
    }

    fn ram(&self) -> &GuestRam {
        &self.shared.ram
    }

    fn migration_ram(&self) -> &dyn migration::vm::Ram {
        &self.shared.ram
    }

    fn cpus(&self) -> Vec<CpuSummary> {
        (0..self.count)
            .map(|index| CpuSummary {
                index,
                thread_id: 4711,
                state: "operating",
                halted: index > 0,
                pc: 0x100,
                topology: None,
            })
            .collect()
    }

    fn registers(&self, cpu: usize) -> Result<String, MachineError> {
        if cpu < self.count {
            // A real CPU comes out of the guest to be looked at.
            let look = self.shared.looks.fetch_add(1, Ordering::SeqCst) + 1;
            while self.shared.shown.load(Ordering::SeqCst) < look
                && self.shared.inside.load(Ordering::SeqCst) > 0
            {
                let input = self.shared.inbox.input();
                self.shared.inbox.changed.notify_all();
                drop(input);
                thread::yield_now();
            }
            Ok("R00=0000000000000001\n".into())
        } else {
            Err(MachineError::NoSuchCpu {
                index: cpu,
                count: self.count,
            })
        }
    }

    fn read_memory(
        &self,
        _: AddressSpace,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<(), MachineError> {
        self.shared
            .ram
            .read(address, buffer)
            .map_err(|e| MachineError::Memory {
                address,
                why: e.to_string(),
            })
    }

    fn big_endian(&self) -> bool {
        true
    }

    fn disassemble(&self, _: u64, code: &[u8]) -> (usize, String) {
        (2.min(code.len()), "nopr".into())
    }

    fn instructions(&self) -> Option<u64> {
        None
    }

    fn parts(&self) -> Vec<Box<dyn migration::Part + '_>> {
        Vec::new()
    }

    fn shut_down(&self) {
        self.shared.gate.quit();
        for thread in self.threads.lock().unwrap().drain(..) {
            thread.join().unwrap();
        }
    }
}
