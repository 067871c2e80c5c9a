//! What PERFORM TIMING FACILITY FUNCTION tells a program (TOD-clock-steering facility).
//!
//! A program in a logical partition sees a clock that others steer: it can ask, and that is all.
//! There are the query functions of the facility itself and QUERY UTC INFORMATION, as far as the
//! CPU's features have them; every other function code is answered by condition code 3, and QUERY
//! AVAILABLE FUNCTIONS says the same.
//!
//! The *physical clock* here is what the TOD clock would show had no program set it, and the
//! *epoch difference* how far programs have set it by SET CLOCK. There is no TOD offset and
//! nothing is steered (the host's own clock discipline is not the guest's business), and no Server
//! Time Protocol, so no UTC information: the TOD clock counts no leap seconds.
//!
//! Function codes and the shape of the parameter blocks: Principles of Operation, chapter 10,
//! "PERFORM TIMING FACILITY FUNCTION"; they are also in Linux's `asm/timex.h` (QAF, QTO, QUI) and
//! QEMU's `cpu_features_def.h.inc` (all codes). Not here: the instruction
//! ([`crate::translate::control::clock`]).

use crate::cpu::S390Cpu;
use crate::cpu::facility::Facilities;

/// Bit 56 of general register 0, which must be zero.
pub const RESERVED: u8 = 0x80;
/// Bit 57 of general register 0: a control function, not a query.
pub const CONTROLS: u8 = 0x40;

/// A function that tells something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Query {
    /// QUERY AVAILABLE FUNCTIONS: a bit for each of 128.
    AvailableFunctions = 0,
    /// QUERY TOD OFFSET: physical clock, TOD offset, logical TOD offset, epoch difference.
    TodOffset = 1,
    /// QUERY STEERING INFORMATION: physical clock, old and new steering episode.
    SteeringInformation = 2,
    /// QUERY PHYSICAL CLOCK.
    PhysicalClock = 3,
    /// QUERY UTC INFORMATION: all zeros where no Server Time Protocol is installed.
    UtcInformation = 4,
}

impl Query {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::AvailableFunctions,
        Self::TodOffset,
        Self::SteeringInformation,
        Self::PhysicalClock,
        Self::UtcInformation,
    ];

    /// The one of a function code.
    fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|query| *query as u8 == code)
    }

    /// Whether a CPU of these facilities has it. QUERY AVAILABLE FUNCTIONS always is there.
    fn is_in(self, facilities: &Facilities) -> bool {
        self == Self::AvailableFunctions || facilities.has_ptff(self as u8)
    }

    /// Bytes of its parameter block.
    pub fn bytes(self) -> usize {
        match self {
            Self::AvailableFunctions => 16,
            Self::TodOffset => 32,
            // The physical clock, then for each episode its start, its base offset, and the fine
            // and the gross steering rate.
            Self::SteeringInformation => 8 + 2 * (8 + 8 + 4 + 4),
            Self::PhysicalClock => 8,
            Self::UtcInformation => 256,
        }
    }
}

impl S390Cpu {
    /// The query of a function code, if this CPU has it.
    pub fn query(&self, code: u8) -> Option<Query> {
        Query::of(code).filter(|query| query.is_in(&self.control.facilities))
    }

    /// The parameter block that answers a query.
    pub fn ask(&self, query: Query) -> Vec<u8> {
        let mut block = vec![0; query.bytes()];
        let mut put = |at: usize, value: u64| {
            block[at..at + 8].copy_from_slice(&value.to_be_bytes());
        };
        match query {
            Query::AvailableFunctions => {
                for code in Query::ALL.map(|query| query as u8) {
                    if self.query(code).is_none() {
                        continue;
                    }
                    block[usize::from(code / 8)] |= 0x80 >> (code % 8);
                }
            }
            Query::TodOffset => {
                let (physical, difference) = self.physical_clock();
                put(0, physical);
                put(24, difference);
            }
            Query::SteeringInformation | Query::PhysicalClock => put(0, self.physical_clock().0),
            Query::UtcInformation => {}
        }
        block
    }

    /// The physical clock, and the epoch difference by which the TOD clock is ahead of it.
    fn physical_clock(&self) -> (u64, u64) {
        let (now, difference) = self.control.shared.tod.read_with_set_by(self.cpu_address);
        (now.clock().wrapping_sub(difference), difference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::features;
    use crate::cpu::model::Model;
    use crate::cpu::testing::Bench;

    fn word(block: &[u8], n: usize) -> u64 {
        u64::from_be_bytes(block[8 * n..8 * n + 8].try_into().unwrap())
    }

    #[test]
    fn the_bits_of_query_available_functions_are_the_functions_there_are() {
        let mut bench = Bench::new(1);
        let bits = |cpu: &S390Cpu| -> Vec<u8> {
            let block = cpu.ask(Query::AvailableFunctions);
            let bit = |code: u8| block[usize::from(code / 8)] & 0x80 >> (code % 8) != 0;
            for code in 0..128 {
                assert_eq!(bit(code), cpu.query(code).is_some(), "function {code}");
            }
            (0..128).filter(|code| bit(*code)).collect()
        };
        let facilities = &mut bench.cpus[0].control.facilities;
        *facilities = features::of(Model::Max);
        assert_eq!(bits(&bench.cpus[0]), [0, 1, 2, 3, 4]);
        bench.cpus[0].control.facilities = features::of(Model::Ec12);
        assert_eq!(bits(&bench.cpus[0]), [0, 1, 2, 3]);
        bench.cpus[0].control.facilities = Facilities::new(&[]);
        assert_eq!(bits(&bench.cpus[0]), [0]);
        for query in Query::ALL {
            assert_eq!(bench.cpus[0].ask(query).len(), query.bytes());
        }
    }

    #[test]
    fn set_clock_moves_the_epoch_difference_and_not_the_physical_clock() {
        let mut bench = Bench::new(2);
        let start = word(&bench.cpus[0].ask(Query::TodOffset), 0);
        assert_eq!(start, bench.cpus[0].read_tod().clock() & !1);
        for (cpu, value) in [(0, 0xcafe_f00d_beef), (1, 0xface_f00d_cafe_0000), (0, 5)] {
            bench.cpus[cpu].set_tod(value);
            bench.advance(1_000_000);
            for asks in 0..2 {
                let asks = &bench.cpus[asks];
                let block = asks.ask(Query::TodOffset);
                let now = asks.read_tod().clock();
                assert_eq!(word(&block, 0).wrapping_add(word(&block, 3)), now);
                assert_eq!((word(&block, 1), word(&block, 2)), (0, 0));
                assert_eq!(word(&asks.ask(Query::PhysicalClock), 0), word(&block, 0));
                let steering = asks.ask(Query::SteeringInformation);
                assert_eq!(word(&steering, 0), word(&block, 0));
                assert!(steering[8..].iter().all(|byte| *byte == 0));
            }
        }
        let passed = word(&bench.cpus[0].ask(Query::PhysicalClock), 0) - start;
        assert!(passed.abs_diff(3 * 4_096_000) <= 8, "{passed} units");
    }
}
