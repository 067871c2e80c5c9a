//! How programs name subchannels.

/// The channel subsystem that virtual devices are in, as on QEMU's machine.
pub const CSSID: u8 = 0xfe;
/// Subchannel sets.
pub const SETS: usize = 4;

/// A subsystem-identification word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubchannelId {
    /// Channel subsystem, if the word names one; else it is the default one.
    pub subsystem: Option<u8>,
    /// Subchannel set, 0 to 3.
    pub set: u8,
    /// Subchannel number.
    pub number: u16,
}

impl SubchannelId {
    /// Reads general register 1: none, and an operand exception, unless bit 47 is one, bits 40-43
    /// are zeros and a subsystem is named with bit 44 only.
    pub fn from_register(register: u64) -> Option<Self> {
        const ONE: u32 = 0x0001_0000;
        const MULTIPLE: u32 = 0x0008_0000;
        const RESERVED: u32 = 0x00f0_0000;
        let word = register as u32;
        let subsystem = (word >> 24) as u8;
        if word & ONE == 0 || word & RESERVED != 0 || word & MULTIPLE == 0 && subsystem != 0 {
            return None;
        }
        Some(Self {
            subsystem: (word & MULTIPLE != 0).then_some(subsystem),
            set: (word >> 17 & 3) as u8,
            number: word as u16,
        })
    }

    /// The word for a subchannel of ours. `multiple`: the program has enabled multiple channel
    /// subsystems.
    pub fn word(set: u8, number: u16, multiple: bool) -> u32 {
        let subsystem = if multiple {
            u32::from(CSSID) << 24 | 0x0008_0000
        } else {
            0
        };
        subsystem | u32::from(set) << 17 | 0x0001_0000 | u32::from(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_what_is_none() {
        for (word, expected) in [
            (0x0001_0005, Some((None, 0, 5))),
            (0xffff_ffff_0001_0005, Some((None, 0, 5))),
            (0x0007_ffff, Some((None, 3, 0xffff))),
            (0xfe09_0001, Some((Some(0xfe), 0, 1))),
            (0x0000_0005, None),
            (0xfe01_0000, None),
            (0x0011_0000, None),
        ] {
            let id = SubchannelId::from_register(word);
            assert_eq!(id.map(|id| (id.subsystem, id.set, id.number)), expected);
        }
        assert_eq!(SubchannelId::word(0, 3, false), 0x0001_0003);
        assert_eq!(SubchannelId::word(1, 3, true), 0xfe0b_0003);
    }
}
