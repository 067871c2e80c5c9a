//! A virtio network device without a peer, on a subchannel: its link is up, what the guest sends
//! is taken and dropped, and nothing comes.
//!
//! Commands, blocks and features: Virtual I/O Device specification 1.1, sections 4.3 (channel
//! I/O) and 5.1 (network device); revisions 0 (legacy) to 2. Not here: queues ([`ring`]), channel
//! programs ([`super::program`]).

mod ring;

use serde::{Deserialize, Serialize};

use super::program::{Check, Device, Transfer};
use super::storage::Host;
use ring::{Order, Ring};

/// Queues: what is received, what is sent.
const QUEUES: usize = 2;
/// The queue of what is sent.
const SENT: usize = 1;
/// Entries of a queue.
const ENTRIES: u16 = 256;
/// Bytes of the configuration: MAC address and status.
const CONFIG_BYTES: usize = 8;
/// Newest revision.
const REVISION: u16 = 2;

/// Commands.
mod command {
    pub(super) const WRITE_FEATURES: u8 = 0x11;
    pub(super) const READ_FEATURES: u8 = 0x12;
    pub(super) const SET_QUEUE: u8 = 0x13;
    pub(super) const WRITE_CONFIG: u8 = 0x21;
    pub(super) const READ_CONFIG: u8 = 0x22;
    pub(super) const WRITE_STATUS: u8 = 0x31;
    pub(super) const READ_QUEUE: u8 = 0x32;
    pub(super) const RESET: u8 = 0x33;
    pub(super) const SET_INDICATORS: u8 = 0x43;
    pub(super) const SET_CONFIG_INDICATORS: u8 = 0x53;
    pub(super) const READ_STATUS: u8 = 0x72;
    pub(super) const SET_ADAPTER_INDICATORS: u8 = 0x73;
    pub(super) const SET_REVISION: u8 = 0x83;
}

/// Features: the configuration has a MAC address.
const FEATURE_MAC: u64 = 1 << 5;
/// Features: and the link's status.
const FEATURE_STATUS: u64 = 1 << 16;
/// Features: indirect descriptors, which nobody looks into here.
const FEATURE_INDIRECT: u64 = 1 << 28;
/// Features: revision 1 and later.
const FEATURE_VERSION_1: u64 = 1 << 32;
const FEATURES: u64 = FEATURE_MAC | FEATURE_STATUS | FEATURE_INDIRECT | FEATURE_VERSION_1;

/// Status: the device is broken until it is reset.
const NEEDS_RESET: u8 = 0x40;
/// Network status: the link is up.
const LINK_UP: u16 = 1;

/// What does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetConfig {
    /// MAC address.
    pub mac: [u8; 6],
}

/// Where the device tells that queues have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Indicators {
    None,
    /// 64 bits for the queues, and an I/O interruption of the subchannel.
    Classic {
        at: u64,
    },
    /// A bit for each queue from bit `first` on at `at`, a summary byte, and an adapter
    /// interruption.
    Adapter {
        at: u64,
        first: u64,
        summary: u64,
        subclass: u8,
    },
}

/// An interruption that the device wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Of the adapters of a subclass.
    Adapter {
        /// 0 to 7.
        subclass: u8,
    },
    /// Of the device.
    Device,
}

/// The device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VirtioNet {
    config: NetConfig,
    /// What programs may write over the MAC address of a legacy device.
    written: [u8; CONFIG_BYTES],
    /// None until a program has chosen one, or has done something else first: then 0.
    revision: Option<u16>,
    features: u64,
    status: u8,
    rings: [Ring; QUEUES],
    indicators: Indicators,
    /// Where the device tells that its configuration has changed.
    config_indicators: Option<u64>,
}

impl VirtioNet {
    /// A device after a reset.
    pub fn new(config: NetConfig) -> Self {
        let mut written = [0; CONFIG_BYTES];
        written[..6].copy_from_slice(&config.mac);
        Self {
            config,
            written,
            revision: None,
            features: 0,
            status: 0,
            rings: [Ring::new(ENTRIES); QUEUES],
            indicators: Indicators::None,
            config_indicators: None,
        }
    }

    /// What does not change.
    pub fn config(&self) -> &NetConfig {
        &self.config
    }

    /// Whether a saved device is one.
    pub fn is_sound(&self) -> bool {
        let subclass = match self.indicators {
            Indicators::Adapter { subclass, .. } => subclass,
            _ => 0,
        };
        subclass < 8
            && self.revision.is_none_or(|revision| revision <= REVISION)
            && self.rings.iter().all(|ring| ring.is_sound(ENTRIES))
    }

    /// The subchannel has been disabled: a revision is chosen anew.
    pub fn disabled(&mut self) {
        self.revision = None;
    }

    fn reset(&mut self) {
        *self = Self {
            revision: self.revision,
            ..Self::new(self.config)
        };
    }

    fn is_legacy(&self) -> bool {
        self.revision.unwrap_or(0) == 0
    }

    fn offered(&self) -> u64 {
        if self.is_legacy() {
            FEATURES as u32 as u64
        } else {
            FEATURES
        }
    }

    /// Byte order of the configuration and the queues.
    fn order(&self) -> Order {
        if self.is_legacy() {
            Order::Big
        } else {
            Order::Little
        }
    }

    fn configuration(&self) -> [u8; CONFIG_BYTES] {
        let mut bytes = self.written;
        bytes[6..].copy_from_slice(&self.order().put16(LINK_UP));
        bytes
    }

    /// There is something new in a queue; what the device wants to tell then.
    pub fn kick(&mut self, host: Host<'_>, queue: u64) -> Vec<Notice> {
        // What is to be received never comes, so its buffers wait.
        if queue != SENT as u64 || self.status & NEEDS_RESET != 0 {
            return Vec::new();
        }
        let order = self.order();
        match self.rings[SENT].complete_all(host, order) {
            Ok(true) => self.tell(host, SENT).into_iter().collect(),
            Ok(false) => Vec::new(),
            Err(wrong) => {
                log::warn!("a virtio network device needs a reset: {wrong}");
                self.status |= NEEDS_RESET;
                let told = self.config_indicators.map(|at| {
                    host.set_bits(at.wrapping_add(7), 1);
                    Notice::Device
                });
                told.into_iter().collect()
            }
        }
    }

    /// Sets a queue's indicator; the interruption that is to follow.
    fn tell(&self, host: Host<'_>, queue: usize) -> Option<Notice> {
        match self.indicators {
            Indicators::None => None,
            Indicators::Classic { at } => {
                host.set_bits(at.wrapping_add(7), 1 << queue);
                Some(Notice::Device)
            }
            Indicators::Adapter {
                at,
                first,
                summary,
                subclass,
            } => {
                let bit = first.wrapping_add(queue as u64);
                host.set_bits(at.wrapping_add(bit / 8), 0x80 >> (bit % 8));
                // Somebody who has told of it already is enough.
                (host.set_bits(summary, 1) == 0).then_some(Notice::Adapter { subclass })
            }
        }
    }

    fn set_queue(&mut self, transfer: &mut Transfer<'_, '_>) -> Result<(), Check> {
        const MODERN_BYTES: usize = 32;
        const LEGACY_BYTES: usize = 16;
        const LEGACY_ALIGNMENT: u32 = 4096;
        let legacy = self.is_legacy();
        let bytes = if legacy { LEGACY_BYTES } else { MODERN_BYTES };
        let area = transfer.exactly(bytes)?;
        let first = u64::from_be_bytes(transfer.take(&area, 0)?);
        let word = u32::from_be_bytes(transfer.take(&area, 8)?);
        let index = usize::from(u16::from_be_bytes(transfer.take(&area, 12)?));
        let entries = u16::from_be_bytes(transfer.take(&area, 14)?);
        let Some(ring) = self.rings.get_mut(index) else {
            return Err(Check::Program);
        };
        let placed = if first == 0 {
            *ring = Ring::new(ENTRIES);
            true
        } else if legacy {
            word == LEGACY_ALIGNMENT && entries >= ENTRIES && ring.place_legacy(first)
        } else {
            let available = u64::from_be_bytes(transfer.take(&area, 16)?);
            let used = u64::from_be_bytes(transfer.take(&area, 24)?);
            entries <= ENTRIES && ring.place(entries, available, used)
        };
        if placed { Ok(()) } else { Err(Check::Program) }
    }

    fn read_features(&self, transfer: &mut Transfer<'_, '_>) -> Result<(), Check> {
        let area = transfer.exactly(5)?;
        let [index] = transfer.take(&area, 4)?;
        let features = match index {
            // Revision 0 knows none beyond 31.
            0 => self.offered() as u32,
            1 => (self.offered() >> 32) as u32,
            _ => 0,
        };
        transfer.give(&area, &features.to_le_bytes())
    }

    fn write_features(&mut self, transfer: &mut Transfer<'_, '_>) -> Result<(), Check> {
        let area = transfer.exactly(5)?;
        let features = u32::from_le_bytes(transfer.take(&area, 0)?);
        let [index] = transfer.take(&area, 4)?;
        let shift = match index {
            0 => 0,
            1 => 32,
            _ => return Ok(()),
        };
        let word = u64::from(features) << shift;
        let others = self.features & !(0xffff_ffff << shift);
        self.features = (others | word) & self.offered();
        Ok(())
    }

    fn write_status(&mut self, transfer: &mut Transfer<'_, '_>) -> Result<(), Check> {
        let area = transfer.exactly(1)?;
        let [status] = transfer.take(&area, 0)?;
        if status == 0 {
            self.reset();
        } else {
            self.status = status | self.status & NEEDS_RESET;
        }
        Ok(())
    }

    fn read_queue(&self, transfer: &mut Transfer<'_, '_>) -> Result<(), Check> {
        let area = transfer.exactly(4)?;
        let index = u16::from_be_bytes(transfer.take(&area, 0)?);
        let entries = if usize::from(index) < QUEUES {
            ENTRIES
        } else {
            0
        };
        transfer.give_at(&area, 2, &entries.to_be_bytes())
    }

    fn set_adapter_indicators(&mut self, transfer: &mut Transfer<'_, '_>) -> Result<(), Check> {
        let area = transfer.exactly(25)?;
        if matches!(self.indicators, Indicators::Classic { .. }) {
            return Err(Check::Reject);
        }
        let summary = u64::from_be_bytes(transfer.take(&area, 0)?);
        let at = u64::from_be_bytes(transfer.take(&area, 8)?);
        let first = u64::from_be_bytes(transfer.take(&area, 16)?);
        let [subclass] = transfer.take(&area, 24)?;
        if subclass > 7 {
            return Err(Check::Reject);
        }
        self.indicators = Indicators::Adapter {
            at,
            first,
            summary,
            subclass,
        };
        Ok(())
    }

    fn set_revision(&mut self, transfer: &mut Transfer<'_, '_>) -> Result<(), Check> {
        const HEADER: usize = 4;
        let area = transfer.up_to(transfer.count())?;
        if area.length < HEADER {
            return Err(Check::Program);
        }
        let revision = u16::from_be_bytes(transfer.take(&area, 0)?);
        let more = usize::from(u16::from_be_bytes(transfer.take(&area, 2)?));
        // No revision so far has data of its own.
        if area.length < HEADER + more || transfer.checks_length() && area.length > HEADER + more {
            return Err(Check::Program);
        }
        if self.revision.is_some() || revision > REVISION {
            return Err(Check::Reject);
        }
        self.revision = Some(revision);
        Ok(())
    }
}

impl Device for VirtioNet {
    fn identity(&self) -> [u8; 7] {
        /// Control unit X'3832', whose model is the kind of virtio device: network.
        const IDENTITY: [u8; 7] = [0x38, 0x32, 0x01, 0, 0, 0, 0];
        IDENTITY
    }

    fn command(&mut self, code: u8, transfer: &mut Transfer<'_, '_>) -> Result<(), Check> {
        if code != command::SET_REVISION {
            // A driver that chooses none is a legacy one.
            self.revision.get_or_insert(0);
        }
        match code {
            command::SET_REVISION => self.set_revision(transfer),
            command::SET_QUEUE => self.set_queue(transfer),
            command::READ_QUEUE => self.read_queue(transfer),
            command::READ_FEATURES => self.read_features(transfer),
            command::WRITE_FEATURES => self.write_features(transfer),
            command::WRITE_STATUS => self.write_status(transfer),
            command::READ_STATUS => {
                let area = transfer.exactly(1)?;
                transfer.give(&area, &[self.status])
            }
            command::RESET => {
                self.reset();
                Ok(())
            }
            command::READ_CONFIG => {
                let area = transfer.up_to(CONFIG_BYTES)?;
                transfer.give(&area, &self.configuration()[..area.length])
            }
            command::WRITE_CONFIG => {
                let area = transfer.up_to(CONFIG_BYTES)?;
                let bytes: [u8; CONFIG_BYTES] = transfer.take(&area, 0)?;
                // Only a legacy driver may give another address; the rest is read-only.
                if self.is_legacy() {
                    let count = area.length.min(6);
                    self.written[..count].copy_from_slice(&bytes[..count]);
                }
                Ok(())
            }
            command::SET_INDICATORS => {
                let area = transfer.exactly(8)?;
                if matches!(self.indicators, Indicators::Adapter { .. }) {
                    return Err(Check::Reject);
                }
                let at = u64::from_be_bytes(transfer.take(&area, 0)?);
                self.indicators = Indicators::Classic { at };
                Ok(())
            }
            command::SET_ADAPTER_INDICATORS => self.set_adapter_indicators(transfer),
            command::SET_CONFIG_INDICATORS => {
                let area = transfer.exactly(8)?;
                self.config_indicators = Some(u64::from_be_bytes(transfer.take(&area, 0)?));
                Ok(())
            }
            _ => Err(Check::Reject),
        }
    }
}
