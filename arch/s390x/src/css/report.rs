//! Channel reports: the queue of channel-report words, and when the machine check that tells of
//! them is pending (Principles of Operation, chapter 17, "Channel Report").
//!
//! The machine check comes once: again only after STORE CHANNEL REPORT WORD has found the queue
//! empty.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Reports that are kept; what comes then is lost, and the next one says so.
const MOST: usize = 64;

/// Solicited.
const SOLICITED: u32 = 0x4000_0000;
/// Reports before this one have been lost.
const OVERFLOW: u32 = 0x2000_0000;
/// More words of the same report follow.
const CHAINED: u32 = 0x1000_0000;
/// Source: a channel path.
const CHANNEL_PATH: u32 = 4 << 24;
/// Error-recovery code: initialised.
const INITIALISED: u32 = 2 << 16;

/// Whether a program has been told that there are reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Told {
    /// It looked last when there was none: the next one interrupts.
    #[default]
    Nothing,
    /// The machine check is pending.
    Pending,
    /// It has been taken.
    Taken,
}

/// Pending channel reports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reports {
    words: VecDeque<u32>,
    told: Told,
    lost: bool,
}

impl Reports {
    /// A channel path has been reset as the program asked for. Under multiple channel subsystems
    /// a second word names the subsystem.
    pub fn path_reset(&mut self, path: u8, subsystem: Option<u8>) {
        let word = SOLICITED | CHANNEL_PATH | INITIALISED;
        let chained = if subsystem.is_some() { CHAINED } else { 0 };
        self.add(word | chained | u32::from(path));
        if let Some(subsystem) = subsystem {
            self.add(word | u32::from(subsystem) << 8);
        }
    }

    fn add(&mut self, word: u32) {
        if self.words.len() >= MOST {
            self.lost = true;
            return;
        }
        let overflow = if std::mem::take(&mut self.lost) {
            OVERFLOW
        } else {
            0
        };
        self.words.push_back(word | overflow);
        if self.told == Told::Nothing {
            self.told = Told::Pending;
        }
    }

    /// The next report; none, and the next one will interrupt again.
    pub fn take(&mut self) -> Option<u32> {
        let word = self.words.pop_front();
        if word.is_none() {
            self.told = Told::Nothing;
        }
        word
    }

    /// Puts a report back that could not be stored.
    pub fn put_back(&mut self, word: u32) {
        self.words.push_front(word);
    }

    /// Whether the machine check is pending.
    pub fn interrupts(&self) -> bool {
        self.told == Told::Pending
    }

    /// A CPU takes the machine check; false if another one was faster.
    pub fn interrupt(&mut self) -> bool {
        let pending = self.interrupts();
        if pending {
            self.told = Told::Taken;
        }
        pending
    }

    /// Whether a saved state is one that this program makes.
    pub fn is_sound(&self) -> bool {
        self.words.len() <= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_check_comes_once_until_the_queue_was_found_empty() {
        let mut reports = Reports::default();
        assert_eq!(reports.take(), None);
        reports.path_reset(7, None);
        assert!(reports.interrupt());
        reports.path_reset(8, None);
        assert!(!reports.interrupt());
        assert_eq!(reports.take(), Some(0x4402_0007));
        assert_eq!(reports.take(), Some(0x4402_0008));
        reports.path_reset(9, Some(0xfe));
        assert!(!reports.interrupts());
        assert_eq!(reports.take(), Some(0x5402_0009));
        assert_eq!(reports.take(), Some(0x4402_fe00));
        assert_eq!(reports.take(), None);
        reports.path_reset(1, None);
        assert!(reports.interrupts());
    }

    #[test]
    fn what_does_not_fit_is_lost_and_said() {
        let mut reports = Reports::default();
        for path in 0..=MOST {
            reports.path_reset(path as u8, None);
        }
        for _ in 0..MOST {
            assert_eq!(reports.take().map(|word| word & OVERFLOW), Some(0));
        }
        reports.path_reset(1, None);
        assert_eq!(reports.take(), Some(0x6402_0001));
    }
}
