//! The suite's table, in Markdown: times, ratios to the peer, means, and what they were measured on.

use std::fmt::Write;
use std::path::Path;

use crate::guests::top;

use super::sample::geometric_mean;
use super::suite::{Cell, Results, Row};

/// Prints all of it.
pub fn render(results: &Results, versions: &[String]) -> String {
    let own = results.programs.len() - usize::from(results.has_peer);
    let mut text = String::new();
    let mut head = String::from("| row |");
    let mut rule = String::from("|---|");
    for program in &results.programs {
        head += &format!(" {} |", program.name);
        rule += "---|";
    }
    if results.has_peer {
        for program in &results.programs[..own] {
            head += &format!(" QEMU / {} |", program.name);
            rule += "--:|";
        }
    }
    let _ = writeln!(text, "{head}\n{rule}");
    for row in &results.rows {
        let cells = row.cells.iter().map(show);
        let mut line = format!(
            "| {} | {} |",
            row.name,
            cells.collect::<Vec<_>>().join(" | ")
        );
        for engine in 0..own * usize::from(results.has_peer) {
            match ratio(row, engine) {
                Some(ratio) => line += &format!(" {ratio:.2} |"),
                None => line += " |",
            }
        }
        let _ = writeln!(text, "{line}");
    }
    if results.has_peer {
        text.push('\n');
        for engine in 0..own {
            text += &means(results, engine);
        }
    }
    for row in &results.rows {
        for (program, cell) in results.programs.iter().zip(&row.cells) {
            if let Some(why) = cell.failures.first() {
                let times = cell.failures.len();
                let _ = writeln!(
                    text,
                    "- FAIL {} on {}, {times} times: {why}",
                    row.name, program.name
                );
            }
        }
    }
    for line in results.left_out.iter().chain(versions) {
        let _ = writeln!(text, "- {line}");
    }
    text
}

/// How many times faster than the peer; `None` where one of them has no right result.
fn ratio(row: &Row, engine: usize) -> Option<f64> {
    let right = |cell: &Cell| cell.failures.is_empty() && !cell.ns.0.is_empty();
    let (ours, peer) = (&row.cells[engine], row.cells.last()?);
    (right(ours) && right(peer)).then(|| peer.ns.median() / ours.ns.median())
}

/// The means over all rows and by group, and the row that is worst off.
fn means(results: &Results, engine: usize) -> String {
    let name = &results.programs[engine].name;
    let ratios: Vec<(&str, f64)> = results
        .rows
        .iter()
        .filter_map(|row| Some((row.name.as_str(), ratio(row, engine)?)))
        .collect();
    let Some(mean) = geometric_mean(ratios.iter().map(|(_, ratio)| *ratio)) else {
        return String::new();
    };
    let mut text = format!(
        "- {name}: {mean:.2} times QEMU's speed (geometric mean of {} rows)",
        ratios.len()
    );
    if let Some((row, least)) = ratios.iter().min_by(|a, b| a.1.total_cmp(&b.1)) {
        text += &format!(", lowest {least:.2} ({row})");
    }
    let below: Vec<_> = ratios
        .iter()
        .filter(|(_, ratio)| *ratio < 0.9)
        .map(|(row, ratio)| format!("{row} {ratio:.2}"))
        .collect();
    if !below.is_empty() {
        text += &format!("\n  below 0.9: {}", below.join(", "));
    }
    text += &by_least(results, engine);
    let group = |row: &str| row.split('.').next().unwrap_or(row).to_owned();
    let mut groups: Vec<String> = ratios.iter().map(|(row, _)| group(row)).collect();
    groups.dedup();
    let by_group: Vec<(String, f64)> = groups
        .iter()
        .filter_map(|wanted| {
            let rows = ratios.iter().filter(|(row, _)| group(row) == *wanted);
            let mean = geometric_mean(rows.map(|(_, ratio)| *ratio))?;
            Some((wanted.clone(), mean))
        })
        .collect();
    let of_groups = geometric_mean(by_group.iter().map(|(_, mean)| *mean)).unwrap_or(f64::NAN);
    let listed: Vec<_> = by_group
        .iter()
        .map(|(group, mean)| format!("{group} {mean:.2}"))
        .collect();
    text += &format!(
        "\n  by group: {}; mean of these {of_groups:.2}\n",
        listed.join(", ")
    );
    text
}

/// The same of the least times: what a host does that is slower now and then disturbs them less.
fn by_least(results: &Results, engine: usize) -> String {
    let peer = results.programs.len() - 1;
    let ratios = results.rows.iter().filter_map(|row| {
        let (own, other) = (row.cells[engine].ns.least(), row.cells[peer].ns.least());
        (own.is_finite() && other.is_finite()).then(|| (row.name.as_str(), other / own))
    });
    let ratios: Vec<(&str, f64)> = ratios.collect();
    let mean = geometric_mean(ratios.iter().map(|(_, ratio)| *ratio));
    let least = ratios.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    match (mean, least) {
        (Some(mean), Some((row, least))) => {
            format!("\n  of the least times: {mean:.2}, lowest {least:.2} ({row})")
        }
        _ => String::new(),
    }
}

/// Median, least and greatest, in the unit that suits the median.
fn show(cell: &Cell) -> String {
    if !cell.failures.is_empty() {
        return "FAIL".into();
    }
    if cell.ns.0.is_empty() {
        return String::new();
    }
    let (unit, scale) = match cell.ns.median() {
        ns if ns < 10e3 => ("ns", 1.0),
        ns if ns < 10e6 => ("us", 1e3),
        ns if ns < 1e9 => ("ms", 1e6),
        _ => ("s", 1e9),
    };
    let figure = |ns: f64| match ns / scale {
        value if value < 100.0 => format!("{value:.2}"),
        value => format!("{value:.0}"),
    };
    if cell.ns.0.len() == 1 {
        return format!("{} {unit}", figure(cell.ns.median()));
    }
    format!(
        "{} {unit} ({}-{})",
        figure(cell.ns.median()),
        figure(cell.ns.least()),
        figure(cell.ns.greatest())
    )
}

/// Host, system, versions and date, a line each.
pub fn versions(results: &Results) -> Vec<String> {
    let mut lines = vec![format!(
        "date: {}",
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC")
    )];
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name", ':');
    let system = field("/etc/os-release", "PRETTY_NAME", '=');
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    lines.push(format!(
        "host: {model}, {cores} cores, {}, Linux {}",
        system.trim_matches('"'),
        kernel.trim()
    ));
    let top = top();
    let git = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(&top)
        .output();
    if let Ok(output) = git.as_ref()
        && output.status.success()
    {
        let commit = String::from_utf8_lossy(&output.stdout);
        lines.push(format!("source: {}", commit.trim()));
    }
    let mut shown: Vec<&Path> = Vec::new();
    for program in &results.programs {
        if !shown.contains(&program.binary.as_path()) {
            shown.push(&program.binary);
            lines.push(version(&program.binary));
        }
    }
    lines
}

/// The first line of a program's `--version`.
pub fn version(path: &Path) -> String {
    let output = std::process::Command::new(path).arg("--version").output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or("?").to_owned()
}

fn field(path: &str, name: &str, separator: char) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(separator)?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    value.unwrap_or_else(|| "?".into())
}
