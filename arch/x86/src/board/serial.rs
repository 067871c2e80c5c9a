//! The serial port, a 16550 on ports 0x3F8 to 0x3FF with interrupt line 4: the operator console.
//!
//! The registers are `vm-superio`'s. This is what is round them: output that may wait for a slow
//! reader without holding up anybody else, input that is held back while the guest does not read,
//! the interrupt line, and the saved state. Its transmitter is always ready, and it has no baud
//! rate. Not here: who shows the text (the program's character devices).

use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use machine::{ConsoleInput, ConsoleOutput};
use migration::StatePart;
use serde::{Deserialize, Serialize};
use vm_superio::serial::{NoEvents, SerialState};
use vm_superio::{Serial, Trigger};

use super::bus::PortDevice;
use super::lines::Lines;

/// The ports of the first serial port.
pub const PORTS: RangeInclusive<u16> = 0x3F8..=0x3FF;

/// Its interrupt line.
pub const IRQ: u32 = 4;

/// Bytes of input that the port itself holds; more are held back.
const FIFO: usize = 64;

/// Input that was held back is asked for when there is room for this much of it, so that the
/// program need not be woken for every byte.
const ROOM: usize = FIFO / 2;

/// The register that says which interrupt is pending, and that there are FIFOs.
const IDENTIFICATION: u8 = 2;
const FIFOS_ON: u8 = 0xC0;
/// Interrupt enable and identification (16550 data sheet): received data, transmitter empty.
const RECEIVED_ENABLE: u8 = 0x01;
const SENT_ENABLE: u8 = 0x02;
const RECEIVED: u8 = 0x04;
const SENT: u8 = 0x02;
/// Nothing is pending.
const NONE: u8 = 0x01;
/// Modem control: what is sent comes back.
const LOOPBACK: u8 = 0x10;
/// Line status: there is input.
const DATA_READY: u8 = 0x01;

/// The line is driven by the level after each access instead.
struct NoTrigger;

impl Trigger for NoTrigger {
    type E = Infallible;

    fn trigger(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The registers; what the guest has sent is taken from the vector after each access.
type Uart = Serial<NoTrigger, NoEvents, Vec<u8>>;

struct Inner {
    uart: Uart,
    /// The interrupt line's level.
    line: bool,
    /// Input was held back and has not been asked for again.
    held_back: bool,
}

/// Asks for input that was held back.
type Ready = Box<dyn Fn() + Send + Sync>;

/// The serial port.
pub struct SerialPort {
    inner: Mutex<Inner>,
    /// Held over taking output and writing it, so that it keeps its order; never while input
    /// comes in, for who brings that may be who makes room for output.
    output: Mutex<Option<Arc<dyn ConsoleOutput>>>,
    ready: Mutex<Option<Ready>>,
    lines: Arc<Lines>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every access leaves the registers whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn uart(state: &SerialState) -> Option<Uart> {
    Serial::from_state(state, NoTrigger, NoEvents, Vec::new()).ok()
}

impl Inner {
    fn new(state: &SerialState) -> Option<Self> {
        let mut inner = Self {
            uart: uart(state)?,
            line: false,
            held_back: false,
        };
        inner.line = inner.wants_line();
        Some(inner)
    }

    /// Input can be taken, and enough of it. In loopback the port hears only itself.
    fn has_room(&self) -> bool {
        let state = self.uart.state();
        state.modem_control & LOOPBACK == 0 && self.uart.fifo_capacity() >= ROOM
    }

    /// The interrupt that is pending and enabled, the one that goes first. That for received
    /// data stays while there is any, as on the chip: `vm-superio` forgets it when it is looked
    /// at, and a guest that takes a byte an interrupt would wait for the rest.
    fn pending(&self) -> u8 {
        let state = self.uart.state();
        let (flags, enabled) = (state.interrupt_identification, state.interrupt_enable);
        if state.line_status & DATA_READY != 0 && enabled & RECEIVED_ENABLE != 0 {
            RECEIVED
        } else if flags & NONE == 0 && flags & SENT != 0 && enabled & SENT_ENABLE != 0 {
            SENT
        } else {
            NONE
        }
    }

    fn wants_line(&self) -> bool {
        self.pending() != NONE
    }

    /// Reads a register. Looking at which interrupt is pending ends that for the transmitter, if
    /// it is the one that is seen.
    fn read(&mut self, offset: u8) -> u8 {
        if offset != IDENTIFICATION {
            return self.uart.read(offset);
        }
        let pending = self.pending();
        if pending == SENT {
            self.uart.read(offset);
        }
        FIFOS_ON | pending
    }
}

impl SerialPort {
    /// A port as at power-on, whose output goes to `output` or nowhere.
    #[must_use]
    pub fn new(output: Option<Arc<dyn ConsoleOutput>>, lines: &Arc<Lines>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                uart: Serial::new(NoTrigger, Vec::new()),
                line: false,
                held_back: false,
            }),
            output: Mutex::new(output),
            ready: Mutex::default(),
            lines: Arc::clone(lines),
        }
    }

    /// Whatever is done to the registers: the line follows, and who has held back input is asked
    /// for it when there is room.
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = lock(&self.inner);
        let result = act(&mut inner);
        let line = inner.wants_line();
        if line != inner.line {
            inner.line = line;
            self.lines.set(IRQ, line);
        }
        let ask = inner.held_back && inner.has_room();
        inner.held_back &= !ask;
        drop(inner);
        if ask && let Some(ready) = &*lock(&self.ready) {
            ready();
        }
        result
    }

    /// Passes on what the guest has sent. Only the guest waits here.
    fn send(&self) {
        let output = lock(&self.output);
        let sent = std::mem::take(lock(&self.inner).uart.writer_mut());
        if let Some(output) = &*output
            && !sent.is_empty()
        {
            output.write(&sent);
        }
    }

    /// System reset. Input that was typed ahead stays.
    pub fn reset(&self) {
        self.with(|inner| {
            let in_buffer = inner.uart.state().in_buffer;
            let data_ready = if in_buffer.is_empty() { 0 } else { DATA_READY };
            let fresh = SerialState::default();
            let state = SerialState {
                line_status: fresh.line_status | data_ready,
                in_buffer,
                ..fresh
            };
            if let Some(uart) = uart(&state) {
                inner.uart = uart;
            }
        });
    }
}

impl PortDevice for SerialPort {
    fn read(&self, offset: u16) -> u8 {
        self.with(|inner| inner.read(offset as u8))
    }

    fn write(&self, offset: u16, value: u8) {
        // Writing to a vector cannot fail, nor can the trigger.
        let sends = self.with(|inner| {
            let _ = inner.uart.write(offset as u8, value);
            !inner.uart.writer().is_empty()
        });
        if sends {
            self.send();
        }
    }
}

impl ConsoleInput for SerialPort {
    fn push(&self, bytes: &[u8]) -> usize {
        self.with(|inner| {
            let room = inner.uart.fifo_capacity().min(bytes.len());
            // None in loopback.
            let taken = inner.uart.enqueue_raw_bytes(&bytes[..room]).unwrap_or(0);
            inner.held_back |= taken < bytes.len();
            taken
        })
    }

    fn set_ready(&self, ready: Box<dyn Fn() + Send + Sync>) {
        *lock(&self.ready) = Some(ready);
    }
}

/// A saved port. What follows from the rest, as the line status, is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    divisor: [u8; 2],
    interrupt_enable: u8,
    interrupt_identification: u8,
    line_control: u8,
    modem_control: u8,
    scratch: u8,
    input: Vec<u8>,
}

impl Saved {
    fn of(state: SerialState) -> Self {
        Self {
            divisor: [state.baud_divisor_low, state.baud_divisor_high],
            interrupt_enable: state.interrupt_enable,
            interrupt_identification: state.interrupt_identification,
            line_control: state.line_control,
            modem_control: state.modem_control,
            scratch: state.scratch,
            input: state.in_buffer,
        }
    }

    /// The registers; none if the port cannot have them.
    fn restore(self) -> Option<SerialState> {
        let pending = self.interrupt_identification;
        let is_pending = pending == NONE || pending != 0 && pending & !(RECEIVED | SENT) == 0;
        if !is_pending || self.interrupt_enable > 0x0F || self.input.len() > FIFO {
            return None;
        }
        let fresh = SerialState::default();
        let data_ready = if self.input.is_empty() { 0 } else { DATA_READY };
        Some(SerialState {
            baud_divisor_low: self.divisor[0],
            baud_divisor_high: self.divisor[1],
            interrupt_enable: self.interrupt_enable,
            interrupt_identification: pending,
            line_control: self.line_control,
            line_status: fresh.line_status | data_ready,
            modem_control: self.modem_control,
            modem_status: fresh.modem_status,
            scratch: self.scratch,
            in_buffer: self.input,
        })
    }
}

/// The port as a part of a machine that is saved and moved. The line's level is taken over
/// without driving it: it is in the interrupt controller's own state.
pub struct SerialPart<'a>(&'a SerialPort);

impl<'a> SerialPart<'a> {
    /// The part of a port.
    #[must_use]
    pub fn new(port: &'a SerialPort) -> Self {
        Self(port)
    }
}

impl StatePart for SerialPart<'_> {
    const NAME: &'static str = "serial";
    const MAX_BYTES: usize = 256;
    type State = Saved;

    fn state(&self) -> Result<Saved, String> {
        Ok(Saved::of(lock(&self.0.inner).uart.state()))
    }

    fn take_over(&mut self, saved: Saved) -> Result<(), String> {
        let inner = saved
            .restore()
            .and_then(|state| Inner::new(&state))
            .ok_or("its registers hold what no serial port's do")?;
        // Who was told to wait before is asked again as soon as there is room.
        let mut ours = lock(&self.0.inner);
        let held_back = ours.held_back;
        *ours = Inner { held_back, ..inner };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::lines::NoController;
    use migration::{Part, PartError};

    use super::*;

    #[derive(Default)]
    struct Shown(Mutex<Vec<u8>>);

    impl ConsoleOutput for Shown {
        fn write(&self, bytes: &[u8]) {
            self.0.lock().unwrap().extend(bytes);
        }
    }

    fn port() -> (SerialPort, Arc<Lines>, Arc<Shown>) {
        let lines = Arc::new(Lines::new(Arc::new(NoController)));
        lines.intercept_inputs();
        let shown = Arc::new(Shown::default());
        let port = SerialPort::new(Some(Arc::clone(&shown) as _), &lines);
        (port, lines, shown)
    }

    const DATA: u16 = 0;
    const IER: u16 = 1;
    const IIR: u16 = 2;
    const MCR: u16 = 4;
    const LSR: u16 = 5;

    #[test]
    fn text_goes_out_and_the_transmitter_is_ready() {
        let (port, lines, shown) = port();
        for byte in b"hello" {
            assert_eq!(port.read(LSR) & 0x60, 0x60);
            port.write(DATA, *byte);
        }
        assert_eq!(*shown.0.lock().unwrap(), b"hello");
        assert_eq!(lines.take(), []);
        port.write(IER, SENT_ENABLE);
        assert_eq!(lines.take(), [(IRQ, true)]);
        assert_eq!(port.read(IIR) & 0x0F, SENT);
        assert_eq!(lines.take(), [(IRQ, false)]);
        port.write(DATA, b'!');
        assert_eq!(lines.take(), [(IRQ, true)]);
        port.write(IER, 0);
        assert_eq!(lines.take(), [(IRQ, false)], "a line that is not enabled");
    }

    #[test]
    fn input_raises_the_line_until_it_is_read() {
        let (port, lines, _) = port();
        assert_eq!(port.push(b"ab"), 2);
        assert_eq!(lines.take(), []);
        port.write(IER, RECEIVED_ENABLE);
        assert_eq!(lines.take(), [(IRQ, true)]);
        assert_eq!(port.read(LSR) & DATA_READY, DATA_READY);
        assert_eq!(port.read(IIR), 0xC4);
        assert_eq!(port.read(DATA), b'a');
        assert_eq!(port.read(IIR), 0xC4, "there is more");
        assert_eq!(lines.take(), []);
        // The transmitter's interrupt waits for its turn.
        port.write(IER, RECEIVED_ENABLE | SENT_ENABLE);
        assert_eq!(port.read(IIR), 0xC4);
        assert_eq!(port.read(DATA), b'b');
        assert_eq!(lines.take(), []);
        assert_eq!(port.read(IIR), 0xC2);
        assert_eq!(lines.take(), [(IRQ, false)]);
        assert_eq!(port.read(IIR), 0xC1);
        assert_eq!(port.read(LSR) & DATA_READY, 0);
        assert_eq!(port.push(b"c"), 1);
        assert_eq!(lines.take(), [(IRQ, true)]);
    }

    #[test]
    fn input_is_held_back_and_asked_for_when_there_is_room() {
        let (port, _, _) = port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        port.set_ready(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        assert_eq!(port.push(&[b'x'; FIFO + 9]), FIFO);
        assert_eq!(port.push(b"y"), 0);
        for _ in 1..ROOM {
            port.read(DATA);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        port.read(DATA);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        port.read(DATA);
        assert_eq!(asked.load(Ordering::Relaxed), 1, "asked for once");

        port.write(MCR, LOOPBACK);
        assert_eq!(port.push(b"z"), 0);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        port.write(MCR, 0);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert_eq!(port.push(b"z"), 1);
    }

    #[test]
    fn a_port_goes_on_elsewhere_with_its_unread_input() {
        let (here, _, _) = port();
        here.write(IER, RECEIVED_ENABLE);
        here.write(3, 0x83);
        here.write(0, 0x34);
        here.write(1, 0x12);
        here.write(3, 0x03);
        here.write(7, 0x5A);
        here.push(b"unread");
        let saved = SerialPart::new(&here).save().unwrap();
        assert!(saved.len() <= SerialPart::MAX_BYTES);

        let (there, lines, _) = port();
        SerialPart::new(&there).load(1, &saved).unwrap();
        assert_eq!(lines.take(), [], "the controller knows the level");
        assert_eq!(there.read(7), 0x5A);
        let read: Vec<u8> = (0..6).map(|_| there.read(DATA)).collect();
        assert_eq!(read, b"unread");
        assert_eq!(lines.take(), [(IRQ, false)]);
        there.write(3, 0x83);
        assert_eq!([there.read(0), there.read(1)], [0x34, 0x12]);

        let again = SerialPart::new(&there).save().unwrap();
        for (bad, why) in [
            (SerialPart::new(&there).load(2, &saved), "version"),
            (SerialPart::new(&there).load(1, &saved[..3]), "cut off"),
        ] {
            assert!(bad.is_err(), "{why}");
        }
        for damaged in [
            Saved {
                interrupt_identification: 0,
                ..Saved::of(SerialState::default())
            },
            Saved {
                interrupt_identification: 3,
                ..Saved::of(SerialState::default())
            },
            Saved {
                interrupt_enable: 0x10,
                ..Saved::of(SerialState::default())
            },
            Saved {
                input: vec![0; FIFO + 1],
                ..Saved::of(SerialState::default())
            },
        ] {
            let payload = migration::encode(&damaged).unwrap();
            let refused = SerialPart::new(&there).load(1, &payload);
            assert!(matches!(refused, Err(PartError::Unsuitable { .. })));
        }
        assert_eq!(SerialPart::new(&there).save().unwrap(), again);
    }

    #[test]
    fn a_reset_keeps_what_was_typed() {
        let (port, lines, _) = port();
        port.write(IER, RECEIVED_ENABLE);
        port.push(b"ab");
        lines.take();
        port.reset();
        assert_eq!(lines.take(), [(IRQ, false)]);
        assert_eq!(port.read(IER), 0);
        assert_eq!(port.read(LSR) & DATA_READY, DATA_READY);
        assert_eq!([port.read(DATA), port.read(DATA)], *b"ab");
    }
}
