//! `-rtc` and `-hostclock`.

use jiff::civil::{Date, DateTime};
use machine::{DriftFix, RtcBase, RtcClock, RtcOptions};

use super::{CliError, KeyVals};

pub(super) fn parse_rtc(option: &str, value: &str) -> Result<RtcOptions, CliError> {
    let mut kv = KeyVals::parse(option, value, None)?;
    let base = match kv.take("base")? {
        None => RtcBase::Utc,
        Some(text) if text == "utc" => RtcBase::Utc,
        Some(text) if text == "localtime" => RtcBase::Localtime {
            utc_offset_s: jiff::Zoned::now().offset().seconds(),
        },
        Some(text) => RtcBase::Date {
            unix_s: parse_date(&text).ok_or_else(|| {
                kv.error(format!(
                    "base '{text}' is not a date, expected 'utc', 'localtime', or a date as \
                     '2026-11-21T10:00:00' or '2026-11-21'"
                ))
            })?,
        },
    };
    // Of the RTC only: other guest clocks follow the VM's timeline.
    let clock = kv.choice(
        "clock",
        &[
            ("host", RtcClock::Host),
            ("rt", RtcClock::Rt),
            ("vm", RtcClock::Vm),
        ],
    )?;
    let drift_fix = kv.choice(
        "driftfix",
        &[("none", DriftFix::None), ("slew", DriftFix::Slew)],
    )?;
    kv.finish()?;
    Ok(RtcOptions {
        base,
        clock: clock.unwrap_or_default(),
        drift_fix: drift_fix.unwrap_or_default(),
    })
}

/// Seconds since 1970 of a date in UTC.
fn parse_date(text: &str) -> Option<i64> {
    // The forms are exact: the library alone would take more.
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let when: DateTime = match shape.as_str() {
        "0000-00-00T00:00:00" => text.parse().ok()?,
        "0000-00-00" => text
            .parse::<Date>()
            .ok()?
            .to_datetime(jiff::civil::Time::midnight()),
        _ => return None,
    };
    // Not by the library's time stamps, which end a day before the year 9999 does.
    let epoch = jiff::civil::date(1970, 1, 1).to_datetime(jiff::civil::Time::midnight());
    Some(when.duration_since(epoch).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_utc_and_exact() {
        let base = |text: &str| parse_rtc("-rtc", text).map(|rtc| rtc.base);
        assert_eq!(
            base("base=1970-01-02"),
            Ok(RtcBase::Date { unix_s: 86_400 })
        );
        assert_eq!(
            base("base=2026-11-21T10:00:00"),
            Ok(RtcBase::Date {
                unix_s: 1_795_255_200
            })
        );
        for (text, unix_s) in [
            ("2042-09-17T23:53:47", 2_294_610_827),
            ("2038-01-19T03:14:08", 1 << 31),
            ("1900-01-01", -2_208_988_800),
            ("9999-12-31T23:59:59", 253_402_300_799),
        ] {
            let date = base(&format!("base={text}"));
            assert_eq!(date, Ok(RtcBase::Date { unix_s }), "{text}");
        }
        assert_eq!(base("base=utc"), Ok(RtcBase::Utc));
        assert_eq!(base("clock=vm"), Ok(RtcBase::Utc));
        for bad in ["2026-02-30", "2026-1-1", "now", "2026-11-21 10:00:00", ""] {
            assert_eq!(
                base(&format!("base={bad}")).unwrap_err().to_string(),
                format!(
                    "-rtc base={bad}: base '{bad}' is not a date, expected 'utc', 'localtime', \
                     or a date as '2026-11-21T10:00:00' or '2026-11-21'"
                )
            );
        }
    }

    #[test]
    fn other_parameters_are_checked() {
        assert_eq!(
            parse_rtc("-rtc", "clock=moon").unwrap_err().to_string(),
            "-rtc clock=moon: parameter 'clock' does not accept value 'moon', expected one of: \
             host, rt, vm"
        );
        assert_eq!(
            parse_rtc("-rtc", "driftfix=slew,clock=host"),
            Ok(RtcOptions {
                base: RtcBase::Utc,
                clock: RtcClock::Host,
                drift_fix: DriftFix::Slew,
            })
        );
        assert_eq!(parse_rtc("-rtc", "base=utc"), Ok(RtcOptions::default()));
        assert_eq!(
            parse_rtc("-rtc", "foo=1").unwrap_err().to_string(),
            "-rtc foo=1: invalid parameter 'foo', expected one of: base, clock, driftfix"
        );
    }
}
