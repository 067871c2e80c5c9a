//! `info clock`, `query-clock`, the ledger, and the tests' push and fault injection.

use std::fmt::Write as _;

use machine::RtcTime;
use serde_json::{Value, json, to_value};
use tod::clock::{ClockReport, ClockStateReport, Scale, Shown};
use tod::ledger::Entry;
use tod::{FaultPoint, FineTod, Policy, Tod};

use super::hmp::Session;
use super::{Args, Context, Failure, shown_value, utc};

/// The clock that a machine's RTC runs by; the guest's date is that and an offset.
const RTC: &str = "rtc";

/// Ledger entries shown without a count.
const SHOWN_ENTRIES: usize = 10;

pub(super) fn query(context: &Context, _: &Args) -> Result<Value, Failure> {
    let report = context.clocks.report();
    let mut clocks: Vec<Value> = report.clocks.iter().map(clock_value).collect();
    if let Some(rtc) = context.machine.rtc()
        && let Some(clock) = clocks.iter_mut().find(|clock| clock["name"] == RTC)
    {
        clock["date"] = json!(rtc_date(rtc.time()));
        clock["offset"] = json!(rtc.offset_s());
    }
    Ok(json!({
        "timeline-ns": report.timeline_ns,
        "counter": report.counter,
        "rate-error-ppb": report.rate_error_ppb,
        "clocks": clocks,
    }))
}

fn clock_value(clock: &ClockReport) -> Value {
    let mut value = json!({ "name": clock.name });
    // The state's own members stand beside its name, as the report has them.
    if let (Some(object), Ok(Value::Object(state))) =
        (value.as_object_mut(), to_value(&clock.state))
    {
        object.extend(state);
        object.insert(
            "policy".into(),
            to_value(clock.policy).unwrap_or(Value::Null),
        );
        if let Ok(Value::Object(scale)) = to_value(clock.scale) {
            object.extend(scale);
        }
        let guest = clock.shown.map_or(Value::Null, shown_value);
        object.insert("guest".into(), guest);
        if clock.scale == Scale::Date {
            object.insert("host".into(), shown_value(Shown::Date(clock.host)));
        }
        object.insert("gap-ns".into(), json!(clock.gap_ns));
        object.insert("error-ns".into(), json!(clock.error_ns));
        object.insert("failures".into(), json!(clock.failures));
    }
    value
}

pub(super) fn show(context: &Context, _: &Session, _: &Value) -> String {
    let report = context.clocks.report();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "VM timeline: {} run; host counter: {}, rate known to {} ppb",
        seconds(i128::from(report.timeline_ns)),
        report.counter,
        report.rate_error_ppb
    );
    for clock in &report.clocks {
        let _ = writeln!(text, "clock {}: {}", clock.name, state_text(&clock.state));
        let policy = match clock.policy {
            Policy::Freeze => "freeze: the guest does not see a gap".to_owned(),
            Policy::CatchUp => "catch-up: jumps over a gap at cont".to_owned(),
            Policy::Slew { rate_ppm } => format!("slew: makes up for a gap at {rate_ppm} ppm"),
        };
        let _ = writeln!(text, "  policy    {policy}");
        if let Some(rtc) = context.machine.rtc().filter(|_| clock.name == RTC) {
            let (date, offset) = (rtc_date(rtc.time()), rtc.offset_s());
            let _ = writeln!(text, "  date      {date}, {offset} s from what it runs by");
        }
        let guest = clock.shown.map(|value| long(value, clock.scale));
        let guest = guest.as_deref().unwrap_or("cannot be read");
        let _ = writeln!(text, "  guest     {guest}");
        if clock.scale == Scale::Date {
            let host = long(Shown::Date(clock.host), Scale::Date);
            let _ = writeln!(text, "  host      {host}");
        }
        if let Some(gap) = clock.gap_ns {
            let _ = writeln!(text, "  gap       {}", gap_text(gap));
        }
        match clock.error_ns {
            Some(error) => {
                let _ = writeln!(text, "  captured  within {error} ns");
            }
            None => text.push_str("  captured  not yet\n"),
        }
        let _ = writeln!(text, "  failures  {}", clock.failures);
    }
    let ledger = context.clocks.ledger();
    let verdict = match ledger.verify() {
        Ok(()) => "adds up".to_owned(),
        Err(e) => format!("DOES NOT ADD UP: {e}"),
    };
    let _ = writeln!(text, "ledger: {} entries, {verdict}", ledger.count());
    for account in ledger.accounts() {
        let _ = writeln!(
            text,
            "  {}: run {}, granted {}, set by guest {}, unexplained {} units",
            account.clock,
            seconds(account.run().as_ns()),
            seconds(account.granted().as_ns()),
            seconds(account.stepped().as_ns()),
            account.unexplained().units()
        );
    }
    let first = ledger.entries().len().saturating_sub(SHOWN_ENTRIES);
    let scales = Scales::of(context);
    for entry in ledger.entries().skip(first) {
        text.push_str(&entry_line(entry, &scales));
    }
    text
}

/// How far the guest is from the host's wallclock, given host less guest.
fn gap_text(gap_ns: i64) -> String {
    let side = match gap_ns {
        0 => return "none: the guest shows the host's time".into(),
        1.. => "behind",
        _ => "ahead of",
    };
    format!("{} {side} the host", seconds(i128::from(gap_ns).abs()))
}

/// A clock's value in full.
fn long(value: Shown, scale: Scale) -> String {
    match (value, scale) {
        (Shown::Date(date), _) => format!("{}  {}", hex(date), utc(date)),
        (Shown::ElapsedNs(ns), _) => format!("{} since its start", seconds(i128::from(ns))),
        (Shown::Cycles(cycles), Scale::Cycles { hz }) => {
            format!("{cycles} cycles at {} Hz", hz.get())
        }
        (Shown::Cycles(cycles), _) => format!("{cycles} cycles"),
    }
}

/// A clock's value in the ledger's lines.
fn short(value: Shown) -> String {
    match value {
        Shown::Date(date) => hex(date),
        Shown::ElapsedNs(ns) => seconds(i128::from(ns)),
        Shown::Cycles(cycles) => format!("{cycles} cycles"),
    }
}

fn hex(tod: Tod) -> String {
    format!("{:02x}.{:016x}", tod.epoch_index(), tod.clock())
}

/// As ISO 8601 has it, of whatever zone the guest keeps its RTC in.
fn rtc_date(time: RtcTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        time.tm_year + 1900,
        time.tm_mon + 1,
        time.tm_mday,
        time.tm_hour,
        time.tm_min,
        time.tm_sec
    )
}

/// What each clock's values are. The ledger has them all in one form.
struct Scales(Vec<(String, Scale)>);

impl Scales {
    fn of(context: &Context) -> Self {
        let report = context.clocks.report();
        let clocks = report.clocks.into_iter();
        Self(clocks.map(|clock| (clock.name, clock.scale)).collect())
    }

    fn show(&self, clock: Option<&str>, value: Tod) -> Shown {
        let known = self.0.iter().find(|(name, _)| Some(name.as_str()) == clock);
        let scale = known.map_or(Scale::Date, |(_, scale)| *scale);
        scale.show(FineTod::from(value))
    }
}

fn state_text(state: &ClockStateReport) -> String {
    match state {
        ClockStateReport::Running => "running".into(),
        ClockStateReport::Slewing { left_ns } => {
            format!("slewing, {} to make up for", seconds(i128::from(*left_ns)))
        }
        ClockStateReport::Stopped { for_ns: Some(ns) } => {
            format!("stopped for {}", seconds(i128::from(*ns)))
        }
        ClockStateReport::Stopped { for_ns: None } => "stopped elsewhere".into(),
        ClockStateReport::FreeRunning {
            phase,
            error,
            for_ns,
        } => format!(
            "FREE-RUNNING for {} since its {phase} failed ({error})",
            seconds(i128::from(*for_ns))
        ),
    }
}

/// Nanoseconds as seconds with nine digits.
fn seconds(ns: i128) -> String {
    let magnitude = ns.unsigned_abs();
    let sign = if ns < 0 { "-" } else { "" };
    format!(
        "{sign}{}.{:09} s",
        magnitude / 1_000_000_000,
        magnitude % 1_000_000_000
    )
}

/// A value of the ledger's own types in one line: `stop(monitor)`.
fn brief(value: &Value) -> String {
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, inner)| match inner {
                Value::Null => key.clone(),
                inner => format!("{key}({})", brief(inner)),
            })
            .collect::<Vec<_>>()
            .join(", "),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn entry_line(entry: &Entry, scales: &Scales) -> String {
    let event = to_value(&entry.event).map_or_else(|e| e.to_string(), |value| brief(&value));
    let exactness = to_value(entry.exactness).map_or_else(|e| e.to_string(), |value| brief(&value));
    let mut line = format!(
        "  #{} {} {event}",
        entry.number,
        seconds(i128::from(entry.at.boottime_ns))
    );
    if let Some(clock) = &entry.clock {
        let _ = write!(line, " {clock}");
    }
    let brief_value = |value| short(scales.show(entry.clock.as_deref(), value));
    match (entry.before, entry.after) {
        (Some(before), Some(after)) if before == after => {
            let _ = write!(line, " {}", brief_value(before));
        }
        (before, after) => {
            let show = |tod: Option<Tod>| tod.map_or_else(|| "?".to_owned(), brief_value);
            if before.is_some() || after.is_some() {
                let _ = write!(line, " {} -> {}", show(before), show(after));
            }
        }
    }
    if entry.granted.bits() != 0 {
        let _ = write!(line, " granted {}", seconds(entry.granted.as_ns()));
    }
    let _ = writeln!(line, " {exactness}");
    line
}

pub(super) fn hmp_ledger(context: &Context, _: &mut Session, rest: &str) -> Result<String, String> {
    let count = match rest.trim() {
        "" => SHOWN_ENTRIES,
        text => text
            .parse()
            .map_err(|_| format!("no count '{text}', expected how many entries to show"))?,
    };
    let ledger = context.clocks.ledger();
    let first = ledger.entries().len().saturating_sub(count);
    let scales = Scales::of(context);
    let entries = ledger.entries().skip(first);
    Ok(entries.map(|entry| entry_line(entry, &scales)).collect())
}

pub(super) fn query_ledger(context: &Context, args: &Args) -> Result<Value, Failure> {
    let ledger = context.clocks.ledger();
    let limit = match args.get("limit") {
        None => usize::MAX,
        Some(limit) => limit
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or_else(|| Failure::generic("Parameter 'limit' expects a count"))?,
    };
    let first = ledger.entries().len().saturating_sub(limit);
    let scales = Scales::of(context);
    let entries = ledger.entries().skip(first);
    let entries: Vec<Value> = entries.map(|entry| entry_value(entry, &scales)).collect();
    let accounts: Vec<Value> = ledger
        .accounts()
        .iter()
        .map(|account| {
            json!({
                "clock": account.clock,
                "run-ns": ns(account.run().as_ns()),
                "granted-ns": ns(account.granted().as_ns()),
                "stepped-ns": ns(account.stepped().as_ns()),
                "unexplained-units": ns(account.unexplained().units()),
            })
        })
        .collect();
    let mut value = json!({ "count": ledger.count(), "accounts": accounts, "entries": entries });
    match ledger.verify() {
        Ok(()) => value["verified"] = json!(true),
        Err(e) => {
            value["verified"] = json!(false);
            value["error"] = json!(e.to_string());
        }
    }
    Ok(value)
}

fn entry_value(entry: &Entry, scales: &Scales) -> Value {
    let value = |value: Option<Tod>| {
        value.map_or(Value::Null, |value| {
            shown_value(scales.show(entry.clock.as_deref(), value))
        })
    };
    json!({
        "number": entry.number,
        "event": to_value(&entry.event).unwrap_or(Value::Null),
        "clock": entry.clock,
        "at": {
            "monotonic-ns": entry.at.monotonic_ns,
            "boottime-ns": entry.at.boottime_ns,
            "realtime-ns": entry.at.realtime_ns,
            "error-ns": entry.at.error_ns(),
        },
        "before": value(entry.before),
        "after": value(entry.after),
        "granted-ns": ns(entry.granted.as_ns()),
        "exactness": to_value(entry.exactness).unwrap_or(Value::Null),
    })
}

/// JSON's integers end at 64 bits: 292 years of nanoseconds.
fn ns(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

pub(super) fn push(context: &Context, args: &Args) -> Result<Value, Failure> {
    let ns = args.get("ns").and_then(Value::as_u64).ok_or_else(|| {
        Failure::generic("Parameter 'ns' expects a count of nanoseconds, at least 0")
    })?;
    if let Some(pusher) = &context.pusher {
        pusher.push(ns);
    }
    Ok(json!({}))
}

pub(super) fn fail(context: &Context, args: &Args) -> Result<Value, Failure> {
    let clock = args
        .get("clock")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let point = match args.get("point").and_then(Value::as_str) {
        Some("install") => FaultPoint::Install,
        _ => FaultPoint::Capture,
    };
    let count = match args.get("count") {
        None => 1,
        Some(count) => count
            .as_u64()
            .and_then(|count| u32::try_from(count).ok())
            .ok_or_else(|| Failure::generic("Parameter 'count' expects a count of failures"))?,
    };
    context
        .clocks
        .inject(clock, point, count)
        .map_err(|e| Failure::generic(e.to_string()))?;
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_says_on_which_side_the_guest_is() {
        assert_eq!(gap_text(1_500_000_000), "1.500000000 s behind the host");
        assert_eq!(gap_text(-2), "0.000000002 s ahead of the host");
        assert_eq!(gap_text(0), "none: the guest shows the host's time");
    }
}
