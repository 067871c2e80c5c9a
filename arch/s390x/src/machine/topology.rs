//! CPU topology: where in drawers, books and sockets CPUs are, how they are polarized, what STORE
//! SYSTEM INFORMATION 15.1.x tells of it, and PERFORM TOPOLOGY FUNCTION (Principles of Operation,
//! both instructions; layouts as in Linux arch/s390/include/asm/sysinfo.h and topology.h).
//!
//! The whole stands still but for polarization, CPUs that come, and what the operator changes.
//! Each change makes a report pending that the guest asks for. Not here: the instructions' checks
//! ([`crate::helpers::system`]).

use std::sync::{Mutex, MutexGuard, PoisonError};

use machine::{CpuPlace, CpuShape, CpuTopology, Entitlement};

use super::stsi::BLOCK;

/// Levels of containers that a guest can ask for, CPUs included: drawers, books, sockets, CPUs.
pub const LEVELS: u8 = 4;

/// Bytes before the list.
const HEADER: usize = 16;
/// Levels above CPUs as entries number them.
const DRAWER: u8 = 3;
const BOOK: u8 = 2;
const SOCKET: u8 = 1;

/// What the guest sees and changes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    vertical: bool,
    report_pending: bool,
    /// By CPU address.
    cpus: Vec<CpuTopology>,
}

/// The topology of a machine.
#[derive(Debug)]
pub struct Topology {
    shape: CpuShape,
    state: Mutex<State>,
}

/// How PERFORM TOPOLOGY FUNCTION ends: the condition code, and the reason with condition code 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Performed {
    /// Condition code 0.
    Done,
    /// Condition code 1: a change is reported.
    Changed,
    /// Condition code 2, reason 1: CPUs are polarized like this already.
    Already,
}

/// Why a CPU cannot be somewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// There is no such socket.
    #[error(
        "there is no socket {socket} in book {book} of drawer {drawer}: the machine has {drawers} \
         drawers of {books} books of {sockets} sockets (-smp)"
    )]
    Nowhere {
        /// The drawer.
        drawer: u32,
        /// The book.
        book: u32,
        /// The socket.
        socket: u32,
        /// Drawers in the machine.
        drawers: u32,
        /// Books in a drawer.
        books: u32,
        /// Sockets in a book.
        sockets: u32,
    },
    /// All places in the socket are taken.
    #[error("socket {socket} in book {book} of drawer {drawer} has its {cores} CPUs already")]
    Full {
        /// The drawer.
        drawer: u32,
        /// The book.
        book: u32,
        /// The socket.
        socket: u32,
        /// CPUs that a socket holds.
        cores: u32,
    },
}

impl Topology {
    /// A machine of this shape with so many places for CPUs, each CPU where its address says.
    pub fn new(shape: CpuShape, max_cpus: u16) -> Self {
        let shape = match shape.drawers * shape.books * shape.sockets * shape.cores {
            total if total >= u32::from(max_cpus) => shape,
            // One socket holds whatever there is.
            _ => machine::Smp::flat(1, u32::from(max_cpus)).shape,
        };
        let cpus = (0..max_cpus).map(|address| CpuTopology {
            place: usual_place(&shape, u32::from(address)),
            ..CpuTopology::default()
        });
        Self {
            shape,
            state: Mutex::new(State {
                vertical: false,
                report_pending: false,
                cpus: cpus.collect(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every update leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shape of the machine.
    pub fn shape(&self) -> CpuShape {
        self.shape
    }

    /// What is known of a CPU; of one that can never be, nothing.
    pub fn attributes(&self, address: u16) -> CpuTopology {
        let state = self.lock();
        state
            .cpus
            .get(usize::from(address))
            .copied()
            .unwrap_or_default()
    }

    /// Whether CPUs are polarized vertically.
    pub fn is_vertical(&self) -> bool {
        self.lock().vertical
    }

    /// Whether a change is to be reported.
    pub fn report_pending(&self) -> bool {
        self.lock().report_pending
    }

    /// Something has changed that the guest may want to know.
    pub fn changed(&self) {
        self.lock().report_pending = true;
    }

    /// A subsystem reset: horizontal polarization, and nothing to report.
    pub fn reset(&self) {
        let mut state = self.lock();
        state.vertical = false;
        state.report_pending = false;
    }

    /// Takes over what the guest came with.
    pub fn restore(
        &self,
        vertical: bool,
        report_pending: bool,
        cpus: impl Iterator<Item = (u16, CpuTopology)>,
    ) {
        let mut state = self.lock();
        state.vertical = vertical;
        state.report_pending = report_pending;
        for (address, attributes) in cpus {
            if let Some(cpu) = state.cpus.get_mut(usize::from(address)) {
                *cpu = attributes;
            }
        }
    }

    /// Puts a CPU where it is to be, among those `present`.
    ///
    /// # Errors
    /// [`PlaceError`]: there is no such place, or no room.
    pub fn put(
        &self,
        address: u16,
        attributes: CpuTopology,
        present: impl Iterator<Item = u16>,
    ) -> Result<(), PlaceError> {
        let CpuPlace {
            drawer,
            book,
            socket,
        } = attributes.place;
        let CpuShape {
            drawers,
            books,
            sockets,
            cores,
        } = self.shape;
        if drawer >= drawers || book >= books || socket >= sockets {
            return Err(PlaceError::Nowhere {
                drawer,
                book,
                socket,
                drawers,
                books,
                sockets,
            });
        }
        let mut state = self.lock();
        let there = |other: u16| {
            let cpu = state.cpus.get(usize::from(other));
            other != address && cpu.is_some_and(|cpu| cpu.place == attributes.place)
        };
        if present.filter(|&other| there(other)).count() >= cores as usize {
            return Err(PlaceError::Full {
                drawer,
                book,
                socket,
                cores,
            });
        }
        if let Some(cpu) = state.cpus.get_mut(usize::from(address)) {
            *cpu = attributes;
        }
        Ok(())
    }

    /// PERFORM TOPOLOGY FUNCTION with function code 0 (horizontal), 1 (vertical) or 2 (check).
    pub fn perform(&self, function: u8) -> Performed {
        let mut state = self.lock();
        match function {
            0 | 1 if state.vertical == (function == 1) => Performed::Already,
            0 | 1 => {
                state.vertical = function == 1;
                state.report_pending = true;
                Performed::Done
            }
            _ if std::mem::take(&mut state.report_pending) => Performed::Changed,
            _ => Performed::Done,
        }
    }

    /// The block of STSI 15.1.`level`, levels 2 to [`LEVELS`], for the CPUs that are configured;
    /// none if there is no such level or the list does not fit. Who reads level 2 knows of all
    /// changes.
    pub fn block(
        &self,
        level: u16,
        configured: impl Iterator<Item = u16>,
    ) -> Option<Box<[u8; BLOCK]>> {
        if !(2..=u16::from(LEVELS)).contains(&level) {
            return None;
        }
        let level = level as u8;
        let mut state = self.lock();
        let list = entries(&state, level, configured);
        let length = HEADER + list.len();
        if length >= BLOCK {
            return None;
        }
        if level == 2 {
            state.report_pending = false;
        }
        let mut block = Box::new([0; BLOCK]);
        block[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        let CpuShape {
            drawers,
            books,
            sockets,
            cores,
        } = self.shape;
        // How many there are in the next larger container, the largest last: bytes 9 to 6.
        let magnitudes: &[u32] = match level {
            2 => &[cores, drawers * books * sockets],
            3 => &[cores, sockets, drawers * books],
            _ => &[cores, sockets, books, drawers],
        };
        for (n, magnitude) in magnitudes.iter().enumerate() {
            block[9 - n] = u8::try_from(*magnitude).unwrap_or(u8::MAX);
        }
        block[11] = level;
        block[HEADER..length].copy_from_slice(&list);
        Some(block)
    }
}

/// Where a CPU is that has not been put anywhere.
pub fn usual_place(shape: &CpuShape, address: u32) -> CpuPlace {
    let socket = address / shape.cores;
    let book = socket / shape.sockets;
    CpuPlace {
        drawer: book / shape.books % shape.drawers,
        book: book % shape.books,
        socket: socket % shape.sockets,
    }
}

/// What CPUs of one list entry have in common, in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    place: (u32, u32, u32),
    /// The least first, so that the highest entitlement and dedicated CPUs come first.
    order: (u8, bool),
    origin: u16,
}

/// The list's entries: containers, each followed by what is in it.
fn entries(state: &State, level: u8, configured: impl Iterator<Item = u16>) -> Vec<u8> {
    /// Type of CPU: one for Linux.
    const IFL: u8 = 3;
    const HIGHEST: u8 = 3;
    let mut masks = std::collections::BTreeMap::<Kind, u64>::new();
    for address in configured {
        let Some(cpu) = state.cpus.get(usize::from(address)) else {
            continue;
        };
        let polarization = match cpu.entitlement {
            _ if !state.vertical => 0,
            Entitlement::Low => 1,
            Entitlement::Medium => 2,
            Entitlement::High => HIGHEST,
        };
        let kind = Kind {
            place: (cpu.place.drawer, cpu.place.book, cpu.place.socket),
            order: (HIGHEST - polarization, !cpu.dedicated),
            origin: address & !63,
        };
        *masks.entry(kind).or_default() |= 1 << (63 - address % 64);
    }
    let mut list = Vec::new();
    let mut last: Option<(u32, u32, u32)> = None;
    // The next container of each level gets the next number within its parent.
    let mut numbers = [0u8; 4];
    let container = |list: &mut Vec<u8>, numbers: &mut [u8; 4], at: u8| {
        list.extend([at, 0, 0, 0, 0, 0, 0, numbers[usize::from(at)]]);
        numbers[usize::from(at)] += 1;
        numbers[..usize::from(at)].fill(0);
    };
    for (kind, mask) in &masks {
        let (drawer, book, socket) = kind.place;
        let new_drawer = last.is_none_or(|last| last.0 != drawer);
        let new_book = new_drawer || last.is_none_or(|last| last.1 != book);
        let new_socket = new_book || last.is_none_or(|last| last.2 != socket);
        if level > 3 && new_drawer {
            container(&mut list, &mut numbers, DRAWER);
        }
        if level > 2 && new_book {
            container(&mut list, &mut numbers, BOOK);
        }
        if new_socket {
            container(&mut list, &mut numbers, SOCKET);
        }
        last = Some(kind.place);
        let (below, shared) = kind.order;
        let flags = u8::from(!shared) << 2 | (HIGHEST - below) & if state.vertical { 3 } else { 0 };
        list.extend([0, 0, 0, 0, flags, IFL]);
        list.extend(kind.origin.to_be_bytes());
        list.extend(mask.to_be_bytes());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: CpuShape = CpuShape {
        drawers: 2,
        books: 2,
        sockets: 2,
        cores: 4,
    };

    fn list(topology: &Topology, level: u16, cpus: &[u16]) -> (Vec<u8>, Vec<u8>) {
        let block = topology.block(level, cpus.iter().copied()).unwrap();
        let length = u16::from_be_bytes([block[2], block[3]]);
        (
            block[..HEADER].to_vec(),
            block[HEADER..usize::from(length)].to_vec(),
        )
    }

    #[test]
    fn cpus_lie_where_their_addresses_say() {
        let place = |address| {
            let place = usual_place(&SHAPE, address);
            (place.drawer, place.book, place.socket)
        };
        assert_eq!(place(0), (0, 0, 0));
        assert_eq!(place(7), (0, 0, 1));
        assert_eq!(place(8), (0, 1, 0));
        assert_eq!(place(31), (1, 1, 1));
    }

    #[test]
    fn each_level_lists_its_containers() {
        let topology = Topology::new(SHAPE, 32);
        let (header, entries) = list(&topology, 2, &[0, 1, 9]);
        assert_eq!(header[6..12], [0, 0, 8, 4, 0, 2]);
        #[rustfmt::skip]
        assert_eq!(entries, [
            1, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 3, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0,
            1, 0, 0, 0, 0, 0, 0, 1,
            0, 0, 0, 0, 0, 3, 0, 0, 0x00, 0x40, 0, 0, 0, 0, 0, 0,
        ]);
        let (header, entries) = list(&topology, 4, &[0, 1, 9, 31]);
        assert_eq!(header[6..12], [2, 2, 2, 4, 0, 4][..].to_vec()[..]);
        let levels: Vec<_> = entries
            .chunks(8)
            .map(|entry| (entry[0], entry[7]))
            .collect();
        // Drawer 0: book 0 with socket 0, book 1 with socket 0; drawer 1 with one of each. The
        // second half of a CPU's entry is its mask.
        assert_eq!(
            levels,
            [
                (3, 0),
                (2, 0),
                (1, 0),
                (0, 0),
                (0xc0, 0),
                (2, 1),
                (1, 0),
                (0, 0),
                (0, 0),
                (3, 1),
                (2, 0),
                (1, 0),
                (0, 0),
                (0, 0)
            ]
        );
        assert!(topology.block(1, [0].into_iter()).is_none());
        assert!(topology.block(5, [0].into_iter()).is_none());
    }

    #[test]
    fn polarization_changes_are_reported_once() {
        let topology = Topology::new(SHAPE, 32);
        assert_eq!(topology.perform(0), Performed::Already);
        assert_eq!(topology.perform(2), Performed::Done);
        assert_eq!(topology.perform(1), Performed::Done);
        assert_eq!(topology.perform(2), Performed::Changed);
        assert_eq!(topology.perform(2), Performed::Done);
        assert_eq!(topology.perform(1), Performed::Already);
        let (_, entries) = list(&topology, 2, &[0]);
        assert_eq!(entries[12], 2);
        topology.changed();
        list(&topology, 3, &[0]);
        assert!(topology.report_pending());
        list(&topology, 2, &[0]);
        assert!(!topology.report_pending());
        topology.changed();
        topology.reset();
        assert_eq!(
            (topology.is_vertical(), topology.report_pending()),
            (false, false)
        );
    }

    #[test]
    fn the_highest_entitlement_comes_first() {
        let topology = Topology::new(SHAPE, 32);
        let put = |address, entitlement, dedicated| {
            let attributes = CpuTopology {
                place: CpuPlace::default(),
                entitlement,
                dedicated,
            };
            topology.put(address, attributes, [0, 1, 2, 3].into_iter())
        };
        put(1, Entitlement::High, false).unwrap();
        put(2, Entitlement::High, true).unwrap();
        put(3, Entitlement::Low, false).unwrap();
        assert!(put(4, Entitlement::Low, false).is_err());
        topology.perform(1);
        let (_, entries) = list(&topology, 2, &[0, 1, 2, 3]);
        let flags: Vec<_> = entries[8..].chunks(16).map(|entry| entry[4]).collect();
        assert_eq!(flags, [0b111, 0b011, 0b010, 0b001]);
        let far = CpuTopology {
            place: CpuPlace {
                drawer: 2,
                ..CpuPlace::default()
            },
            ..CpuTopology::default()
        };
        assert!(topology.put(1, far, std::iter::empty()).is_err());
    }
}
