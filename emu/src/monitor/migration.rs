//! Commands about migration: both directions, parameters and capabilities.

use std::fmt::Write as _;

use migration::params::{ParameterError, Value as ParameterValue};
use migration::progress::{RamReport, Report, Status};
use migration::transport::Uri;
use serde_json::{Value, json, to_value};

use super::hmp::{Session, Wait};
use super::{Args, Context, Failure};
use crate::migrate::{Incoming, MigrateError};

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Self {
        Self::generic(error.to_string())
    }
}

impl From<ParameterError> for Failure {
    fn from(error: ParameterError) -> Self {
        Self::generic(error.to_string())
    }
}

/// QAPI's `MigrationStatus`, which `migrate-continue` takes.
pub(super) const STATUSES: &[&str] = &[
    "none",
    "setup",
    "cancelling",
    "cancelled",
    "active",
    "postcopy-active",
    "postcopy-paused",
    "postcopy-recover-setup",
    "postcopy-recover",
    "completed",
    "failed",
    "colo",
    "pre-switchover",
    "device",
    "wait-unplug",
];

fn text<'a>(args: &'a Args, name: &str) -> Option<&'a str> {
    args.get(name).and_then(Value::as_str)
}

fn flag(args: &Args, name: &str) -> bool {
    args.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// Where to or from: `uri`, or `channels` with the one main channel.
fn address(args: &Args) -> Result<Uri, Failure> {
    match (text(args, "uri"), args.get("channels")) {
        (Some(_), Some(_)) => Err(Failure::generic(
            "'uri' and 'channels' arguments are mutually exclusive; exactly one of the two should \
             be present in 'migrate' qmp command ",
        )),
        (Some(uri), None) => parse_uri(uri).map_err(Failure::generic),
        (None, Some(channels)) => channel(channels),
        (None, None) => Err(Failure::generic("Parameter 'uri' is missing")),
    }
}

fn parse_uri(text: &str) -> Result<Uri, String> {
    text.parse().map_err(|e| format!("{e}"))
}

/// QAPI's list of `MigrationChannel`.
fn channel(channels: &Value) -> Result<Uri, Failure> {
    let one = match channels.as_array().map(Vec::as_slice) {
        Some([one]) => one,
        _ => {
            return Err(Failure::generic(
                "Channel list must have one entry, the 'main' channel",
            ));
        }
    };
    let member = |value: &Value, path: &str, name: &str| -> Result<String, Failure> {
        match value.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(_) => Err(Failure::generic(format!(
                "Invalid parameter type for '{path}{name}', expected: string"
            ))),
            None => Err(Failure::generic(format!(
                "Parameter '{path}{name}' is missing"
            ))),
        }
    };
    if member(one, "channels[0].", "channel-type")? != "main" {
        return Err(Failure::generic("Channel list has no 'main' channel"));
    }
    let path = "channels[0].addr.";
    let address = one
        .get("addr")
        .ok_or_else(|| Failure::generic("Parameter 'channels[0].addr' is missing"))?;
    match member(address, path, "transport")?.as_str() {
        "socket" => match member(address, path, "type")?.as_str() {
            "unix" => Ok(Uri::Unix {
                path: member(address, path, "path")?.into(),
            }),
            "inet" => {
                let port = member(address, path, "port")?;
                Ok(Uri::Tcp {
                    host: Some(member(address, path, "host")?).filter(|host| !host.is_empty()),
                    port: port.parse().map_err(|_| {
                        Failure::generic(format!("Parameter '{path}port' expects a port number"))
                    })?,
                })
            }
            "fd" => parse_uri(&format!("fd:{}", member(address, path, "str")?))
                .map_err(Failure::generic),
            other => Err(Failure::generic(format!(
                "Parameter '{path}type' does not accept value '{other}'"
            ))),
        },
        "exec" => {
            let args: Option<Vec<&str>> = address
                .get("args")
                .and_then(Value::as_array)
                .and_then(|args| args.iter().map(Value::as_str).collect());
            match args.as_deref() {
                Some(["/bin/sh", "-c", command]) => Ok(Uri::Exec {
                    command: (*command).to_owned(),
                }),
                Some(args) if !args.is_empty() => Ok(Uri::Exec {
                    command: args
                        .iter()
                        .map(|arg| quoted(arg))
                        .collect::<Vec<_>>()
                        .join(" "),
                }),
                _ => Err(Failure::generic(format!(
                    "Parameter '{path}args' is missing"
                ))),
            }
        }
        "file" => Ok(Uri::File {
            path: member(address, path, "filename")?.into(),
            offset: address.get("offset").and_then(Value::as_u64).unwrap_or(0),
        }),
        other => Err(Failure::generic(format!(
            "Parameter '{path}transport' does not accept value '{other}'"
        ))),
    }
}

/// A word that the shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

pub(super) fn migrate(context: &Context, args: &Args) -> Result<Value, Failure> {
    if flag(args, "resume") {
        return Err(Failure::generic(
            "Cannot resume if there is no paused migration: this version has no postcopy",
        ));
    }
    for name in ["blk", "inc"] {
        if flag(args, name) {
            return Err(Failure::generic(format!(
                "Parameter '{name}': this version has no disks to copy"
            )));
        }
    }
    context.migrations.start_outgoing(address(args)?)?;
    Ok(json!({}))
}

/// The rest of a line with its options taken off.
fn options<'a>(rest: &'a str, known: &[&str]) -> Result<(Vec<&'a str>, &'a str), String> {
    let mut found = Vec::new();
    let mut rest = rest.trim();
    while rest.starts_with('-') {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if !known.contains(&word) {
            return Err(format!("unsupported option {word}"));
        }
        found.push(word);
        rest = after.trim_start();
    }
    Ok((found, rest))
}

/// A word that may stand in double quotes.
fn unquoted(word: &str) -> &str {
    word.strip_prefix('"')
        .and_then(|word| word.strip_suffix('"'))
        .unwrap_or(word)
}

pub(super) fn hmp_migrate(
    context: &Context,
    session: &mut Session,
    rest: &str,
) -> Result<String, String> {
    let (options, uri) = options(rest, &["-d"])?;
    if uri.is_empty() {
        return Err("migrate: string expected\nTry \"help migrate\" for more information".into());
    }
    let uri = parse_uri(unquoted(uri)).map_err(|e| format!("Error: {e}"))?;
    let detached = options.contains(&"-d");
    let watch = (session.can_wait && !detached).then(|| context.migrations.progress().watch());
    context
        .migrations
        .start_outgoing(uri)
        .map_err(|e| format!("Error: {e}"))?;
    let waits = watch.is_some();
    session.wait = watch.map(Wait::Migration);
    if waits || detached {
        Ok(String::new())
    } else {
        Ok("terminal does not allow synchronous migration, continuing detached\n".into())
    }
}

pub(super) fn migrate_incoming(context: &Context, args: &Args) -> Result<Value, Failure> {
    let exit_on_error = args
        .get("exit-on-error")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    context
        .migrations
        .start_incoming(Incoming::From(address(args)?), exit_on_error)?;
    Ok(json!({}))
}

pub(super) fn hmp_migrate_incoming(
    context: &Context,
    _: &mut Session,
    rest: &str,
) -> Result<String, String> {
    let uri = parse_uri(unquoted(rest.trim())).map_err(|e| format!("Error: {e}"))?;
    context
        .migrations
        .start_incoming(Incoming::From(uri), true)
        .map_err(|e| format!("Error: {e}"))?;
    Ok(String::new())
}

pub(super) fn migrate_cancel(context: &Context, _: &Args) -> Result<Value, Failure> {
    context.migrations.cancel();
    Ok(json!({}))
}

pub(super) fn migrate_continue(context: &Context, args: &Args) -> Result<Value, Failure> {
    go_on(context, text(args, "state").unwrap_or_default()).map_err(Failure::generic)?;
    Ok(json!({}))
}

pub(super) fn hmp_migrate_continue(
    context: &Context,
    _: &mut Session,
    rest: &str,
) -> Result<String, String> {
    let state = rest.trim();
    if !STATUSES.contains(&state) {
        return Err(format!("Error: invalid parameter value: {state}"));
    }
    go_on(context, state).map_err(|e| format!("Error: {e}"))?;
    Ok(String::new())
}

/// QEMU: the state that the client believes the migration to be in.
fn go_on(context: &Context, state: &str) -> Result<(), String> {
    let status = context.migrations.progress().status();
    let name = status.map_or("none", Status::name);
    if name != state || status != Some(Status::PreSwitchover) {
        return Err(format!("Migration not in expected state: {name}"));
    }
    context.migrations.proceed();
    Ok(())
}

pub(super) fn query_migrate(context: &Context, _: &Args) -> Result<Value, Failure> {
    let mut value = match context.migrations.progress().report() {
        Some(report) => to_value(report).map_err(|e| Failure::generic(e.to_string()))?,
        None => json!({}),
    };
    if let (Some(address), Some(object)) = (context.migrations.listening(), value.as_object_mut()) {
        let address = match address {
            Uri::Unix { path } => json!({ "path": path, "type": "unix" }),
            Uri::Tcp { host, port } => json!({
                "host": host.unwrap_or_else(|| "127.0.0.1".into()),
                "port": port.to_string(),
                "type": "inet",
            }),
            _ => return Ok(value),
        };
        object.insert("socket-address".into(), json!([address]));
    }
    Ok(value)
}

pub(super) fn show_migrate(context: &Context, _: &Session, _: &Value) -> String {
    let mut text = String::new();
    if let Some(report) = context.migrations.progress().report() {
        show_report(&mut text, &report);
    }
    if let Some(address @ (Uri::Unix { .. } | Uri::Tcp { .. })) = context.migrations.listening() {
        let _ = writeln!(text, "socket address: [\n\t{address}\n]");
    }
    text
}

fn show_report(text: &mut String, report: &Report) {
    let _ = write!(text, "Migration status: {}", report.status);
    if let Some(error) = &report.error_desc {
        let _ = write!(text, " ({error})");
    }
    let _ = writeln!(text, "\ntotal time: {} ms", report.total_time);
    if let Some(ms) = report.expected_downtime {
        let _ = writeln!(text, "expected downtime: {ms} ms");
    }
    if let Some(ms) = report.downtime {
        let _ = writeln!(text, "downtime: {ms} ms");
    }
    if let Some(ns) = report.x_downtime_ns {
        let _ = writeln!(
            text,
            "downtime measured: {ns} ns, within {} ns",
            report.x_downtime_error_ns.unwrap_or(0)
        );
    }
    if let Some(ms) = report.setup_time {
        let _ = writeln!(text, "setup: {ms} ms");
    }
    if let Some(ram) = &report.ram {
        show_ram(text, ram);
    }
    if let Some(warning) = &report.x_warning {
        let _ = writeln!(text, "warning: {warning}");
    }
}

/// With QEMU's labels, which people and scripts look for.
fn show_ram(text: &mut String, ram: &RamReport) {
    let kbytes = |bytes: u64| bytes >> 10;
    let _ = write!(
        text,
        "transferred ram: {} kbytes\n\
         throughput: {:.2} mbps\n\
         remaining ram: {} kbytes\n\
         total ram: {} kbytes\n\
         duplicate: {} pages\n\
         skipped: {} pages\n\
         normal: {} pages\n\
         normal bytes: {} kbytes\n\
         dirty sync count: {}\n\
         page size: {} kbytes\n\
         multifd bytes: {} kbytes\n\
         pages-per-second: {}\n",
        kbytes(ram.transferred),
        ram.mbps,
        kbytes(ram.remaining),
        kbytes(ram.total),
        ram.duplicate,
        ram.skipped,
        ram.normal,
        kbytes(ram.normal_bytes),
        ram.dirty_sync_count,
        kbytes(ram.page_size),
        kbytes(ram.multifd_bytes),
        ram.pages_per_second,
    );
    if ram.dirty_pages_rate > 0 {
        let _ = writeln!(text, "dirty pages rate: {} pages", ram.dirty_pages_rate);
    }
    let _ = writeln!(text, "precopy ram: {} kbytes", kbytes(ram.precopy_bytes));
    let _ = writeln!(text, "downtime ram: {} kbytes", kbytes(ram.downtime_bytes));
}

pub(super) fn query_capabilities(context: &Context, _: &Args) -> Result<Value, Failure> {
    let capabilities = context.migrations.settings().capabilities();
    let list = capabilities
        .list()
        .map(|(name, on)| json!({ "state": on, "capability": name }));
    Ok(Value::Array(list.collect()))
}

pub(super) fn show_capabilities(context: &Context, _: &Session, _: &Value) -> String {
    let capabilities = context.migrations.settings().capabilities();
    capabilities
        .list()
        .map(|(name, on)| format!("{name}: {}\n", if on { "on" } else { "off" }))
        .collect()
}

pub(super) fn set_capabilities(context: &Context, args: &Args) -> Result<Value, Failure> {
    idle(context).map_err(Failure::generic)?;
    let wanted = args
        .get("capabilities")
        .and_then(Value::as_array)
        .map_or(&[] as &[Value], Vec::as_slice);
    context
        .migrations
        .settings()
        .change_capabilities(|capabilities| {
            for (index, one) in wanted.iter().enumerate() {
                let missing = |name: &str| {
                    Failure::generic(format!(
                        "Parameter 'capabilities[{index}].{name}' is missing"
                    ))
                };
                let name = one
                    .get("capability")
                    .and_then(Value::as_str)
                    .ok_or_else(|| missing("capability"))?;
                let on = one
                    .get("state")
                    .and_then(Value::as_bool)
                    .ok_or_else(|| missing("state"))?;
                capabilities.set(name, on)?;
            }
            Ok::<(), Failure>(())
        })?;
    Ok(json!({}))
}

/// QEMU: capabilities stay as they are while a migration is under way.
fn idle(context: &Context) -> Result<(), String> {
    match context.migrations.progress().status() {
        Some(status) if !status.is_final() => Err("There's a migration process in progress".into()),
        _ => Ok(()),
    }
}

pub(super) fn hmp_set_capability(
    context: &Context,
    _: &mut Session,
    rest: &str,
) -> Result<String, String> {
    let mut words = rest.split_whitespace();
    let on = match (words.next(), words.next(), words.next()) {
        (Some(name), Some("on"), None) => Some((name, true)),
        (Some(name), Some("off"), None) => Some((name, false)),
        _ => None,
    };
    let (name, on) = on.ok_or(
        "Expected 'on' or 'off'\nTry \"help migrate_set_capability\" for more information",
    )?;
    idle(context).map_err(|e| format!("Error: {e}"))?;
    context
        .migrations
        .settings()
        .change_capabilities(|capabilities| capabilities.set(name, on))
        .map_err(|e| match e {
            ParameterError::UnknownCapability { name } => {
                format!("Error: invalid parameter value: {name}")
            }
            other => format!("Error: {other}"),
        })?;
    Ok(String::new())
}

pub(super) fn query_parameters(context: &Context, _: &Args) -> Result<Value, Failure> {
    let parameters = context.migrations.settings().parameters();
    let members = parameters.list().map(|(name, value, _)| {
        let value = match value {
            ParameterValue::Number(number) => json!(number),
            ParameterValue::Text(text) => json!(text),
        };
        (name.to_owned(), value)
    });
    Ok(Value::Object(members.collect()))
}

pub(super) fn show_parameters(context: &Context, _: &Session, _: &Value) -> String {
    let parameters = context.migrations.settings().parameters();
    parameters
        .list()
        .map(|(name, value, unit)| match value {
            ParameterValue::Text(text) => format!("{name}: '{text}'\n"),
            number if unit.is_empty() => format!("{name}: {number}\n"),
            number => format!("{name}: {number} {unit}\n"),
        })
        .collect()
}

pub(super) fn set_parameters(context: &Context, args: &Args) -> Result<Value, Failure> {
    context
        .migrations
        .settings()
        .change_parameters(|parameters| {
            for (name, value) in args {
                let value = match value {
                    // QAPI's `StrOrNull`: null is no text.
                    Value::Null => ParameterValue::Text(String::new()),
                    Value::String(text) => ParameterValue::Text(text.clone()),
                    other => match other.as_u64() {
                        Some(number) => ParameterValue::Number(number),
                        None => ParameterValue::Text(other.to_string()),
                    },
                };
                parameters.set(name, value)?;
            }
            Ok::<(), ParameterError>(())
        })?;
    Ok(json!({}))
}

pub(super) fn hmp_set_parameter(
    context: &Context,
    _: &mut Session,
    rest: &str,
) -> Result<String, String> {
    let (name, value) = rest.trim().split_once(char::is_whitespace).ok_or(
        "migrate_set_parameter: string expected\n\
         Try \"help migrate_set_parameter\" for more information",
    )?;
    context
        .migrations
        .settings()
        .change_parameters(|parameters| parameters.set_text(name, unquoted(value.trim())))
        .map_err(|e| match e {
            ParameterError::Unknown { name } => format!("Error: invalid parameter value: {name}"),
            other => format!("Error: {other}"),
        })?;
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(channels: Value, uri: &str) {
        match channel(&channels) {
            Ok(found) => assert_eq!(found.to_string(), uri),
            Err(e) => assert_eq!(e.text, uri),
        }
    }

    #[test]
    fn channels_are_addresses_in_qapis_form() {
        let main = |address: Value| json!([{ "channel-type": "main", "addr": address }]);
        reads(
            main(json!({ "transport": "socket", "type": "unix", "path": "/a" })),
            "unix:/a",
        );
        reads(
            main(json!({ "transport": "socket", "type": "inet", "host": "::1", "port": "7" })),
            "tcp:[::1]:7",
        );
        reads(
            main(json!({ "transport": "socket", "type": "fd", "str": "name" })),
            "fd:name",
        );
        reads(
            main(json!({ "transport": "exec", "args": ["/bin/sh", "-c", "cat > x"] })),
            "exec:cat > x",
        );
        reads(
            main(json!({ "transport": "exec", "args": ["/bin/cat", "it's"] })),
            r"exec:'/bin/cat' 'it'\''s'",
        );
        reads(
            main(json!({ "transport": "file", "filename": "/f", "offset": 4096 })),
            "file:/f,offset=4096",
        );
        reads(
            main(json!({ "transport": "rdma", "host": "h", "port": "1" })),
            "Parameter 'channels[0].addr.transport' does not accept value 'rdma'",
        );
        reads(
            main(json!({ "transport": "socket", "type": "unix" })),
            "Parameter 'channels[0].addr.path' is missing",
        );
        reads(
            json!([]),
            "Channel list must have one entry, the 'main' channel",
        );
    }

    #[test]
    fn options_come_before_the_address() {
        assert_eq!(options("-d unix:/a", &["-d"]), Ok((vec!["-d"], "unix:/a")));
        assert_eq!(options(" unix:/a -d", &["-d"]), Ok((vec![], "unix:/a -d")));
        assert_eq!(
            options("-b unix:/a", &["-d"]),
            Err("unsupported option -b".into())
        );
        assert_eq!(unquoted("\"exec:a b\""), "exec:a b");
    }
}
