//! The interval timer (i8254) in the kernel across a stop.
//!
//! KVM keeps a host timer for channel 0, which runs on while the VM stands: its ticks would be
//! handed to the guest afterwards, all of them, one acknowledged after the other. So it is taken
//! out while the VM stands and set again at cont, which begins a new count.
//!
//! That is the most that KVM offers: it tells the phase of channel 0 to nobody but the guest
//! (`arch/x86/kvm/i8254.c`: KVM_GET_PIT2 has no elapsed time of it), and KVM_SET_PIT2 begins all
//! three counts anew. A tick of channel 0 is late by at most one period after each cont, never
//! early, and none is made up for. Channels 1 and 2, which raise no interrupt, have their time of
//! loading: one that counts once goes on with what is left.

use kvm_bindings::{kvm_pit_channel_state, kvm_pit_state2};

/// Hz.
const PIT_HZ: u128 = 1_193_182;

/// A mode in which KVM keeps no host timer for channel 0: hardware-triggered strobe.
const MODE_WITHOUT_TIMER: u8 = 5;

/// The highest of the six modes.
const LAST_MODE: u8 = 5;

/// The mode of a channel that nobody has set up yet, as KVM has it. It keeps no timer either.
const NO_MODE: u8 = 0xff;

/// A count of 0 stands for this.
const FULL_COUNT: u32 = 0x1_0000;

/// Whether the channel counts once and goes on from the highest count (modes 0, 1, 4 and 5).
fn counts_once(channel: &kvm_pit_channel_state) -> bool {
    !matches!(channel.mode, 2 | 3 | NO_MODE)
}

/// The state with which nothing fires.
pub(super) fn without_timer(state: &kvm_pit_state2) -> kvm_pit_state2 {
    let mut quiet = *state;
    quiet.channels[0].mode = MODE_WITHOUT_TIMER;
    quiet
}

/// The state to set at cont, for a stop when CLOCK_MONOTONIC showed this.
pub(super) fn at_stop(state: &kvm_pit_state2, monotonic_ns: u64) -> kvm_pit_state2 {
    let mut stopped = *state;
    for channel in &mut stopped.channels[1..] {
        if !counts_once(channel) {
            continue;
        }
        let loaded = u64::try_from(channel.count_load_time).unwrap_or(0);
        let passed_ns = u128::from(monotonic_ns.saturating_sub(loaded));
        let passed = passed_ns * PIT_HZ / 1_000_000_000;
        let left = u128::from(channel.count).saturating_sub(passed);
        // One that is through has its output up, and soon has it up again.
        channel.count = u32::try_from(left.max(1)).unwrap_or(FULL_COUNT);
    }
    stopped
}

/// Whether KVM may be given this: it is a PIT's state.
pub(super) fn is_sound(state: &kvm_pit_state2) -> bool {
    let channel = |channel: &kvm_pit_channel_state| {
        let mode = channel.mode <= LAST_MODE || channel.mode == NO_MODE;
        mode && channel.count <= FULL_COUNT && channel.rw_mode <= 3
    };
    state.channels.iter().all(channel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(mode: u8, count: u32, loaded_ns: i64) -> kvm_pit_state2 {
        let channel = kvm_pit_channel_state {
            mode,
            count,
            count_load_time: loaded_ns,
            ..Default::default()
        };
        kvm_pit_state2 {
            channels: [channel; 3],
            ..Default::default()
        }
    }

    #[test]
    fn a_channel_that_counts_once_goes_on_with_what_is_left() {
        let second = 1_000_000_000;
        // 10 ms of 1193182 Hz are 11931 counts.
        let stopped = at_stop(&state(0, 20_000, second), second as u64 + 10_000_000);
        assert_eq!(stopped.channels[2].count, 20_000 - 11_931);
        let through = at_stop(&state(4, 20_000, second), 2 * second as u64);
        assert_eq!(through.channels[2].count, 1);
        // Loaded after the stop, as seen by a clock that is read a little earlier.
        let fresh = at_stop(&state(0, FULL_COUNT, second), second as u64 - 5);
        assert_eq!(fresh.channels[1].count, FULL_COUNT);
    }

    #[test]
    fn periods_and_channel_0_stay_what_they_are() {
        for mode in [2, 3] {
            let stopped = at_stop(&state(mode, 1193, 0), 77_000_000);
            assert_eq!(stopped, state(mode, 1193, 0));
        }
        assert_eq!(at_stop(&state(0, 500, 0), u64::MAX).channels[0].count, 500);
        let quiet = without_timer(&state(2, 1193, 0));
        assert_eq!(quiet.channels[0].mode, 5);
        assert_eq!(quiet.channels[1..], state(2, 1193, 0).channels[1..]);
    }

    #[test]
    fn what_no_pit_has_is_refused() {
        assert!(is_sound(&state(5, FULL_COUNT, -1)));
        assert!(is_sound(&state(NO_MODE, FULL_COUNT, 0)));
        assert!(!is_sound(&state(6, 1, 0)));
        assert!(!is_sound(&state(0, FULL_COUNT + 1, 0)));
    }
}
