//! Guests whose clock passes a date at which something overflows: the TOD clock's bits 0-63 on
//! 2042-09-17, a signed 32-bit count of seconds on 2038-01-19. Where their clock starts, and
//! whether it is beyond the date.
//!
//! Nothing here is timed: a guest is waited for until its clock has got there, however slow the
//! host is.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stall::Stamp;
use crate::{EmuBuilder, Qmp};

/// How long the guest's clock may take to get somewhere that is seconds away.
const LIMIT: Duration = Duration::from_secs(300);

/// A date at which something overflows.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    /// The date's last whole second before it, since 1970.
    pub unix_s: i64,
    /// Dates so many seconds before and after it, as `-rtc base=` takes them.
    dates: &'static [(i64, &'static str)],
}

/// 2042-09-17T23:53:47.370496Z: bits 0-63 of the TOD clock begin anew, and its epoch index is 1.
pub const TOD_2042: Edge = Edge {
    unix_s: 2_294_610_827,
    dates: &[
        (-47, "2042-09-17T23:53:00"),
        (-5, "2042-09-17T23:53:42"),
        (-1, "2042-09-17T23:53:46"),
        (1, "2042-09-17T23:53:48"),
        (86_400 * 365, "2043-09-17T23:53:47"),
    ],
};

/// 2038-01-19T03:14:08Z: 2^31 seconds since 1970.
pub const TIME_2038: Edge = Edge {
    unix_s: 2_147_483_647,
    dates: &[(-5, "2038-01-19T03:14:02"), (0, "2038-01-19T03:14:07")],
};

impl Edge {
    /// A guest whose clock starts so many seconds after (before, if negative) the date.
    ///
    /// # Panics
    /// If the date is not in the table.
    #[must_use]
    pub fn starts(self, builder: EmuBuilder, after_s: i64) -> EmuBuilder {
        let (_, date) = self
            .dates
            .iter()
            .find(|(after, _)| *after == after_s)
            .unwrap_or_else(|| panic!("no date {after_s} s after {self:?}"));
        builder.args(["-rtc".to_owned(), format!("base={date}")])
    }

    /// Whether the guest's TOD clock, as the program shows it, is beyond the date by a second or
    /// more.
    pub fn is_passed(self, qmp: &mut Qmp) -> bool {
        guest_unix_s(qmp) > self.unix_s + 1
    }

    /// Waits until it is.
    ///
    /// # Panics
    /// If that takes longer than any host may need.
    pub fn wait(self, qmp: &mut Qmp) {
        let until = Instant::now() + LIMIT;
        while !self.is_passed(qmp) {
            assert!(
                Instant::now() < until,
                "the guest's clock has not passed {self:?}: {}",
                tod(qmp)
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The guest itself says that it is beyond the date, and by how much its clocks agree with
    /// what the program shows: CLOCK_REALTIME is between what was shown before and after.
    ///
    /// # Panics
    /// If it does not.
    pub fn seen_by_guest(self, qmp: &mut Qmp, stamp: impl FnOnce() -> Stamp) -> Stamp {
        let before = guest_unix_ns(qmp);
        let stamp = stamp();
        let after = guest_unix_ns(qmp);
        // The kernel reads its clock by multiplying, within a few microseconds of the TOD's value;
        // a stamp that the guest makes by itself may have been begun before it was asked for.
        let real = stamp.real_us * 1000;
        let (begun, slack) = (5_000_000_000, 100_000);
        assert!(
            before - begun <= real && real <= after + slack,
            "the guest's date is {real} ns, its TOD clock was between {before} and {after}"
        );
        assert!(real / 1_000_000_000 > i128::from(self.unix_s), "{stamp:?}");
        stamp
    }
}

/// What `query-clock` tells of the TOD clock.
///
/// # Panics
/// If there is none.
pub fn tod(qmp: &mut Qmp) -> Value {
    let clocks = qmp.ok("query-clock", json!({}));
    clocks["clocks"]
        .as_array()
        .and_then(|all| all.iter().find(|clock| clock["name"] == "tod"))
        .unwrap_or_else(|| panic!("no clock 'tod' in {clocks:#}"))
        .clone()
}

/// The guest's TOD clock in nanoseconds since 1970, from its epoch index and its 64 bits.
fn guest_unix_ns(qmp: &mut Qmp) -> i128 {
    let tod = tod(qmp);
    let number = |name: &str| tod["guest"][name].as_u64().map(i128::from);
    let (Some(index), Some(clock)) = (number("epoch-index"), number("clock")) else {
        panic!("no TOD value in {tod:#}");
    };
    let units = index << 64 | clock;
    // 4096 units are a microsecond; the epoch is 1900.
    units * 1000 / 4096 - 2_208_988_800 * 1_000_000_000
}

/// The same in whole seconds.
fn guest_unix_s(qmp: &mut Qmp) -> i64 {
    i64::try_from(guest_unix_ns(qmp).div_euclid(1_000_000_000)).expect("72 bits are few seconds")
}
