//! The progress bar of a migration that a monitor waits for.
//!
//! One line, drawn anew in place; who has no terminal gets only the end.

use std::fmt::Write as _;

use migration::progress::{Report, Status};

/// Columns of the bar itself at most.
const BAR: usize = 30;

/// Columns of the text beside it at least: with fewer there is no bar.
const TEXT: usize = 50;

/// The line for a migration that is under way, without its end, at most `columns` wide.
pub(super) fn line(report: &Report, columns: usize) -> String {
    let mut text = String::new();
    let ram = report.ram.unwrap_or_default();
    if ram.total > 0 && columns > TEXT + 4 {
        let width = BAR.min(columns - TEXT - 2);
        let done = ram.total.saturating_sub(ram.remaining);
        let filled = (u128::from(done) * width as u128 / u128::from(ram.total)) as usize;
        let _ = write!(
            text,
            "[{}{}] ",
            "#".repeat(filled),
            ".".repeat(width - filled)
        );
    }
    let _ = write!(text, "{}", report.status);
    if report.status == Status::Active || report.status == Status::Device {
        let _ = write!(
            text,
            ", pass {}, {} left, {} sent",
            ram.dirty_sync_count,
            size(ram.remaining),
            size(ram.transferred)
        );
    }
    text.chars().take(columns.saturating_sub(1)).collect()
}

/// The last line, of one that has ended well.
pub(super) fn end(report: &Report) -> String {
    let ram = report.ram.unwrap_or_default();
    let mut text = format!(
        "{} in {} ms, {} sent in {} passes",
        report.status,
        report.total_time,
        size(ram.transferred),
        ram.dirty_sync_count
    );
    match (report.x_downtime_ns, report.downtime) {
        (Some(ns), _) => {
            let _ = write!(text, "; the guest stood for {} us", ns.max(0) / 1000);
        }
        (None, Some(ms)) => {
            let _ = write!(text, "; the guest stood for at most {ms} ms");
        }
        (None, None) => {}
    }
    text
}

/// Bytes with a unit, short.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use migration::progress::RamReport;

    fn report(status: Status, remaining: u64) -> Report {
        Report {
            status,
            total_time: 12,
            expected_downtime: None,
            downtime: None,
            setup_time: None,
            ram: Some(RamReport {
                total: 64 << 20,
                remaining,
                transferred: 3 << 20,
                dirty_sync_count: 2,
                ..RamReport::default()
            }),
            error_desc: None,
            x_downtime_ns: None,
            x_downtime_error_ns: None,
            x_warning: None,
        }
    }

    #[test]
    fn the_bar_fills_as_memory_is_sent_and_never_wraps() {
        assert_eq!(
            line(&report(Status::Active, 48 << 20), 80),
            format!(
                "[{}{}] active, pass 2, 48.0 MiB left, 3.0 MiB sent",
                "#".repeat(7),
                ".".repeat(21)
            )
        );
        for columns in 0..120 {
            for status in [Status::Setup, Status::Active, Status::Completed] {
                let line = line(&report(status, 0), columns);
                assert!(line.chars().count() <= columns, "{columns}: {line:?}");
            }
        }
    }

    #[test]
    fn the_end_says_what_it_cost() {
        let mut report = report(Status::Completed, 0);
        report.downtime = Some(2);
        assert_eq!(
            end(&report),
            "completed in 12 ms, 3.0 MiB sent in 2 passes; the guest stood for at most 2 ms"
        );
        report.x_downtime_ns = Some(1_234_567);
        assert!(end(&report).ends_with("the guest stood for 1234 us"));
    }
}
