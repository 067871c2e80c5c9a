//! Takes a stream apart: checks every section, writes RAM as it comes, and keeps the rest until
//! the stream has proved complete. Then the parts and the clocks are loaded, in this order.
//!
//! Not here: answers, and whether the guest is started.

use std::collections::BTreeMap;
use std::io::Read;

use tod::{BootMoment, RunState};

use super::error::IncomingError;
use crate::message::{self, Clocks, Failed, MessageError, Pass, Ping, State};
use crate::progress::Progress;
use crate::ram::{self, Decoder, PAGE_BYTES, PageSink};
use crate::stream::{Header, Item, Reader, Section};
use crate::vm::{DestinationVm, PartId, Ram, SavedPart};

/// What is done with what is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The VM takes it over.
    Load,
    /// It is only looked at.
    Verify,
}

/// What a complete stream holds beside RAM.
pub(super) struct Complete {
    parts: BTreeMap<PartId, SavedPart>,
    state: RunState,
    clocks: Clocks,
}

/// What was loaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loaded {
    /// What the guest did at the source.
    pub(super) state: RunState,
    /// Since when it stands, by this host's CLOCK_BOOTTIME; none if that was not measured.
    pub(super) stopped: Option<BootMoment>,
}

/// Takes pages into RAM.
struct Sink<'a>(&'a dyn Ram);

impl PageSink for Sink<'_> {
    fn data(&mut self, address: u64, bytes: &[u8]) -> Result<(), String> {
        self.0.write(address, bytes).map_err(|e| e.to_string())
    }

    fn zero(&mut self, address: u64, length: u64) -> Result<(), String> {
        self.0.zero(address, length).map_err(|e| e.to_string())
    }
}

/// Takes pages nowhere.
struct Nowhere;

impl PageSink for Nowhere {
    fn data(&mut self, _: u64, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn zero(&mut self, _: u64, _: u64) -> Result<(), String> {
        Ok(())
    }
}

/// Fails unless the stream is of a VM like this one.
pub(super) fn check_identity(vm: &dyn DestinationVm, header: &Header) -> Result<(), IncomingError> {
    let here = vm.identity();
    let (ram_there, ram_here) = (header.ram_bytes.to_string(), here.ram_bytes.to_string());
    let pairs = [
        ("architecture", &header.architecture, &here.architecture),
        ("machine", &header.machine, &here.machine),
        ("RAM in bytes", &ram_there, &ram_here),
    ];
    match pairs
        .into_iter()
        .find(|(_, found, expected)| found != expected)
    {
        None => Ok(()),
        Some((what, found, expected)) => Err(IncomingError::Other {
            what,
            found: found.clone(),
            expected: expected.clone(),
        }),
    }
}

/// Reads sections up to the end of the stream. `answer` is called for every ping.
pub(super) fn read(
    vm: &dyn DestinationVm,
    reader: &mut Reader<impl Read>,
    purpose: Purpose,
    progress: &Progress,
    mut answer: impl FnMut(Ping) -> Result<(), IncomingError>,
) -> Result<Complete, IncomingError> {
    let total = vm.ram().size();
    progress.ram(|ram| ram.total = total);
    let mut loader = Loader {
        vm,
        purpose,
        progress,
        decoder: Decoder::new(total),
        expected: vm.parts(),
        parts: BTreeMap::new(),
        state: None,
        clocks: None,
    };
    loop {
        let limit = |name: &str| {
            let own = message::limit_from_source(name);
            own.or_else(|| vm.part_limit(name))
        };
        let section = match reader.next(limit)? {
            Item::Section(section) => section,
            Item::End => return loader.complete(),
        };
        if section.name == message::PING {
            answer(message::parse(&section)?)?;
        } else {
            loader.section(&section)?;
        }
        let received = reader.offset();
        progress.ram(|ram| ram.transferred = received);
    }
}

struct Loader<'a> {
    vm: &'a dyn DestinationVm,
    purpose: Purpose,
    progress: &'a Progress,
    decoder: Decoder,
    expected: Vec<PartId>,
    parts: BTreeMap<PartId, SavedPart>,
    state: Option<RunState>,
    clocks: Option<Clocks>,
}

impl Loader<'_> {
    fn section(&mut self, section: &Section<'_>) -> Result<(), IncomingError> {
        let out_of_place = |why| MessageError::out_of_place(section, why).into();
        if self.clocks.is_some() && section.name != message::FAILED {
            return Err(out_of_place("nothing follows the clocks but the end"));
        }
        match section.name {
            message::FAILED => {
                let failed: Failed = message::parse(section)?;
                Err(IncomingError::GivenUp(failed.text()))
            }
            message::PASS | ram::SECTION if self.state.is_some() => {
                Err(out_of_place("RAM comes before the machine's state"))
            }
            message::PASS => {
                let pass: Pass = message::parse(section)?;
                // Only the source tells passes by events, as in QEMU.
                self.progress.ram(|ram| {
                    ram.dirty_sync_count = pass.number;
                    ram.remaining = pass.pages.saturating_mul(PAGE_BYTES as u64);
                });
                Ok(())
            }
            ram::SECTION => self.ram(section),
            message::STATE => {
                if self.state.is_some() {
                    return Err(twice(section));
                }
                let state: State = message::parse(section)?;
                let state = state
                    .run_state()
                    .ok_or_else(|| out_of_place("it names no run state"))?;
                self.state = Some(state);
                Ok(())
            }
            message::CLOCKS => {
                if self.state.is_none() {
                    return Err(out_of_place("the machine's state comes before the clocks"));
                }
                self.clocks = Some(message::parse(section)?);
                Ok(())
            }
            name if message::is_reserved(name) => Err(out_of_place("the source cannot say that")),
            _ => self.part(section),
        }
    }

    fn ram(&mut self, section: &Section<'_>) -> Result<(), IncomingError> {
        message::expect_version(section, ram::VERSION)?;
        let counts = match self.purpose {
            Purpose::Load => self
                .decoder
                .apply(section.payload, &mut Sink(self.vm.ram())),
            Purpose::Verify => self.decoder.apply(section.payload, &mut Nowhere),
        };
        let counts = counts.map_err(|source| IncomingError::Ram {
            offset: section.offset,
            source,
        })?;
        self.progress.ram(|ram| {
            ram.duplicate += counts.zero;
            ram.normal += counts.raw + counts.compressed;
            ram.normal_bytes = ram.normal * PAGE_BYTES as u64;
            let taken = counts.total() * PAGE_BYTES as u64;
            ram.remaining = ram.remaining.saturating_sub(taken);
        });
        Ok(())
    }

    fn part(&mut self, section: &Section<'_>) -> Result<(), IncomingError> {
        let id = PartId {
            name: section.name.to_owned(),
            instance: section.instance,
        };
        if !self.expected.contains(&id) {
            // What came before may say in better words how this machine differs.
            self.check()?;
            return Err(IncomingError::UnknownPart {
                name: id.name,
                instance: id.instance,
                offset: section.offset,
            });
        }
        if self.state.is_none() {
            return Err(MessageError::out_of_place(section, "section 'state' comes first").into());
        }
        if self.parts.contains_key(&id) {
            return Err(twice(section));
        }
        let part = SavedPart {
            name: id.name.clone(),
            instance: id.instance,
            version: section.version,
            payload: section.payload.to_vec(),
        };
        self.parts.insert(id, part);
        Ok(())
    }

    /// Whether what has come suits this machine.
    fn check(&self) -> Result<(), IncomingError> {
        for id in &self.expected {
            if let Some(part) = self.parts.get(id) {
                self.vm.check_part(part)?;
            }
        }
        Ok(())
    }

    fn complete(self) -> Result<Complete, IncomingError> {
        self.check()?;
        let own = |name: &str| PartId {
            name: name.to_owned(),
            instance: 0,
        };
        let parts = &self.parts;
        let optional = self.vm.optional_parts();
        let mut missing = self.expected;
        missing.retain(|id| !parts.contains_key(id) && !optional.contains(id));
        match (self.state, self.clocks) {
            (Some(state), Some(clocks)) if missing.is_empty() => Ok(Complete {
                parts: self.parts,
                state,
                clocks,
            }),
            (state, clocks) => {
                missing.extend(state.is_none().then(|| own(message::STATE)));
                missing.extend(clocks.is_none().then(|| own(message::CLOCKS)));
                Err(IncomingError::Missing(missing))
            }
        }
    }
}

fn twice(section: &Section<'_>) -> IncomingError {
    IncomingError::Twice {
        name: section.name.to_owned(),
        instance: section.instance,
        offset: section.offset,
    }
}

impl Complete {
    /// Loads all that is not RAM, in the machine's own order.
    pub(super) fn load(self, vm: &dyn DestinationVm) -> Result<Loaded, IncomingError> {
        for id in vm.parts() {
            match self.parts.get(&id) {
                Some(part) => vm.load_part(part)?,
                None => vm.part_is_absent(&id)?,
            }
        }
        let Clocks { saved, offset } = self.clocks;
        let stopped = offset.map(|offset| saved.stopped().on(&offset));
        vm.load_clocks(saved, offset)?;
        Ok(Loaded {
            state: self.state,
            stopped,
        })
    }
}
