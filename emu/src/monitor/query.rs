//! Commands about the VM as a whole: run control, identity, CPUs, devices, help.

use std::fmt::Write as _;

use machine::{Accel, ShutdownCause};
use serde_json::{Value, json};
use tod::RunState;

use super::hmp::{self, Session};
use super::table::{self, COMMANDS};
use super::{Args, Context, Failure};
use crate::cli::COMPATIBLE_VERSION;
use crate::control;

pub(super) fn stop(context: &Context, _: &Args) -> Result<Value, Failure> {
    context.control.stop()?;
    Ok(json!({}))
}

pub(super) fn cont(context: &Context, _: &Args) -> Result<Value, Failure> {
    context.control.cont()?;
    Ok(json!({}))
}

pub(super) fn system_reset(context: &Context, _: &Args) -> Result<Value, Failure> {
    context.control.reset()?;
    Ok(json!({}))
}

pub(super) fn system_powerdown(context: &Context, _: &Args) -> Result<Value, Failure> {
    if !context.control.powerdown()? {
        log::info!("the guest does not listen to a power-down signal now");
    }
    Ok(json!({}))
}

pub(super) fn quit(context: &Context, _: &Args) -> Result<Value, Failure> {
    context.control.quit(ShutdownCause::HostQmpQuit);
    Ok(json!({}))
}

pub(super) fn hmp_quit(context: &Context, _: &mut Session, rest: &str) -> Result<String, String> {
    nothing_more(rest)?;
    context.control.quit(ShutdownCause::HostUi);
    Ok(String::new())
}

pub(super) fn status(context: &Context, _: &Args) -> Result<Value, Failure> {
    let state = context.control.state();
    // The order of the members is QEMU's.
    Ok(json!({ "status": state.name(), "singlestep": false, "running": state.is_running() }))
}

pub(super) fn show_status(context: &Context, _: &Session, _: &Value) -> String {
    let state = context.control.state();
    match state {
        RunState::Running => "VM status: running\n".into(),
        RunState::Paused => "VM status: paused\n".into(),
        other => format!("VM status: paused ({other})\n"),
    }
}

pub(super) fn cpus(context: &Context, _: &Args) -> Result<Value, Failure> {
    let arch = context.kind.arch();
    let list = context.inspect().cpus().into_iter().map(|cpu| {
        let mut entry = json!({
            "thread-id": cpu.thread_id,
            "props": { "core-id": cpu.index },
            "qom-path": format!("/machine/unattached/device[{}]", cpu.index),
            "cpu-index": cpu.index,
            "target": arch,
        });
        if arch == "s390x" {
            entry["cpu-state"] = json!(cpu.state);
        }
        if let Some(topology) = cpu.topology {
            entry["dedicated"] = json!(topology.dedicated);
            entry["entitlement"] = json!(topology.entitlement.name());
            entry["props"]["drawer-id"] = json!(topology.place.drawer);
            entry["props"]["book-id"] = json!(topology.place.book);
            entry["props"]["socket-id"] = json!(topology.place.socket);
        }
        entry
    });
    Ok(Value::Array(list.collect()))
}

pub(super) fn show_cpus(context: &Context, session: &Session, _: &Value) -> String {
    let mut text = String::new();
    for cpu in context.inspect().cpus() {
        let _ = writeln!(
            text,
            "{} CPU #{}: thread_id={} state={}{} pc={:#018x}",
            if cpu.index == session.cpu { '*' } else { ' ' },
            cpu.index,
            cpu.thread_id,
            cpu.state,
            if cpu.halted { " (halted)" } else { "" },
            cpu.pc,
        );
    }
    text
}

pub(super) fn hmp_cpu(
    context: &Context,
    session: &mut Session,
    rest: &str,
) -> Result<String, String> {
    session.cpu = cpu_number(context, rest.trim())?;
    Ok(String::new())
}

fn cpu_number(context: &Context, text: &str) -> Result<usize, String> {
    let cpus = context.inspect().cpus();
    match text.parse() {
        Ok(index) if cpus.iter().any(|cpu| cpu.index == index) => Ok(index),
        _ => {
            let most = cpus.last().map_or(0, |cpu| cpu.index);
            Err(format!(
                "no CPU '{text}', expected a number from 0 to {most}"
            ))
        }
    }
}

pub(super) fn hmp_registers(
    context: &Context,
    session: &mut Session,
    rest: &str,
) -> Result<String, String> {
    let cpus: Vec<usize> = match rest.trim() {
        "" => vec![session.cpu],
        "-a" => (context.inspect().cpus().iter().map(|cpu| cpu.index)).collect(),
        number => vec![cpu_number(context, number)?],
    };
    let mut text = String::new();
    for cpu in cpus {
        let registers = context
            .inspect()
            .registers(cpu)
            .map_err(|e| e.to_string())?;
        let _ = writeln!(text, "\nCPU#{cpu}\n{}", registers.trim_end());
    }
    Ok(text)
}

pub(super) fn chardevs(context: &Context, _: &Args) -> Result<Value, Failure> {
    let list = context.ports.iter().map(|port| {
        json!({
            "frontend-open": true,
            "filename": port.description(),
            "label": port.label(),
        })
    });
    Ok(Value::Array(list.collect()))
}

pub(super) fn show_chardevs(context: &Context, _: &Session, _: &Value) -> String {
    let mut text = String::new();
    for port in &context.ports {
        let _ = writeln!(text, "{}: filename={}", port.label(), port.description());
    }
    text
}

pub(super) fn name(context: &Context, _: &Args) -> Result<Value, Failure> {
    Ok(match context.identity.name.as_str() {
        "" => json!({}),
        name => json!({ "name": name }),
    })
}

pub(super) fn show_name(context: &Context, _: &Session, _: &Value) -> String {
    match context.identity.name.as_str() {
        "" => String::new(),
        name => format!("{name}\n"),
    }
}

fn uuid_text(context: &Context) -> String {
    uuid::Uuid::from_bytes(context.identity.uuid.unwrap_or_default())
        .hyphenated()
        .to_string()
}

pub(super) fn uuid(context: &Context, _: &Args) -> Result<Value, Failure> {
    Ok(json!({ "UUID": uuid_text(context) }))
}

pub(super) fn show_uuid(context: &Context, _: &Session, _: &Value) -> String {
    uuid_text(context) + "\n"
}

/// QAPI's VersionInfo: the version whose interface this is, and the program that has it.
pub(super) fn version_info() -> Value {
    let (major, minor, micro) = COMPATIBLE_VERSION;
    json!({
        "qemu": { "micro": micro, "minor": minor, "major": major },
        "package": concat!("emu ", env!("CARGO_PKG_VERSION")),
    })
}

pub(super) fn version(_: &Context, _: &Args) -> Result<Value, Failure> {
    Ok(version_info())
}

pub(super) fn show_version(_: &Context, _: &Session, _: &Value) -> String {
    let (major, minor, micro) = COMPATIBLE_VERSION;
    format!(
        "emu {} (monitors as in QEMU {major}.{minor}.{micro})\n",
        env!("CARGO_PKG_VERSION")
    )
}

pub(super) fn kvm(context: &Context, _: &Args) -> Result<Value, Failure> {
    let present = std::fs::exists("/dev/kvm").unwrap_or(false);
    Ok(json!({ "enabled": context.accel == Accel::Kvm, "present": present }))
}

pub(super) fn show_kvm(context: &Context, _: &Session, _: &Value) -> String {
    let enabled = context.accel == Accel::Kvm;
    format!(
        "kvm support: {}\n",
        if enabled { "enabled" } else { "disabled" }
    )
}

pub(super) fn target(context: &Context, _: &Args) -> Result<Value, Failure> {
    Ok(json!({ "arch": context.kind.arch() }))
}

pub(super) fn machines(context: &Context, _: &Args) -> Result<Value, Failure> {
    let mut list = Vec::new();
    for (index, kind) in context.kinds().enumerate() {
        let Some((name, aliases)) = kind.names().split_first() else {
            continue;
        };
        let mut entry = json!({
            "name": name,
            "numa-mem-supported": false,
            "hotpluggable-cpus": kind.cpus_can_come(),
            "deprecated": false,
        });
        if let Some(alias) = aliases.first() {
            entry["alias"] = json!(alias);
        }
        if index == 0 {
            entry["is-default"] = json!(true);
        }
        list.push(entry);
    }
    Ok(Value::Array(list))
}

pub(super) fn commands(context: &Context, _: &Args) -> Result<Value, Failure> {
    let mut names: Vec<_> = COMMANDS
        .iter()
        .filter_map(|command| command.qmp.as_ref())
        .filter(|qmp| qmp.presence.in_context(context))
        .map(|qmp| qmp.name)
        .chain(["qmp_capabilities"])
        .collect();
    names.sort_unstable();
    Ok(names
        .into_iter()
        .map(|name| json!({ "name": name }))
        .collect())
}

pub(super) fn events(_: &Context, _: &Args) -> Result<Value, Failure> {
    Ok(control::EVENT_NAMES
        .iter()
        .map(|name| json!({ "name": name }))
        .collect())
}

pub(super) fn human_monitor_command(context: &Context, args: &Args) -> Result<Value, Failure> {
    let line = args
        .get("command-line")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut session = Session::default();
    if let Some(index) = args.get("cpu-index") {
        let cpus = context.inspect().cpus();
        session.cpu = index
            .as_u64()
            .and_then(|index| usize::try_from(index).ok())
            .filter(|index| cpus.iter().any(|cpu| cpu.index == *index))
            .ok_or_else(|| Failure::generic("Parameter 'cpu-index' expects a CPU number"))?;
    }
    let text = hmp::execute(context, &mut session, line);
    Ok(Value::String(text.replace('\n', "\r\n")))
}

pub(super) fn hmp_history(
    _: &Context,
    session: &mut Session,
    rest: &str,
) -> Result<String, String> {
    nothing_more(rest)?;
    let mut text = String::new();
    for (index, line) in session.history.iter().enumerate() {
        let _ = writeln!(text, "{index}: '{line}'");
    }
    Ok(text)
}

pub(super) fn hmp_help(_: &Context, _: &mut Session, rest: &str) -> Result<String, String> {
    let wanted = rest.trim();
    if wanted == "info" {
        return Ok(list(|names| names.starts_with("info ")));
    }
    if wanted.is_empty() {
        let info = "info [subcommand] -- show what is known; 'info' alone lists it all\n";
        return Ok(list(|names| !names.starts_with("info ")) + info);
    }
    match table::find_hmp(wanted) {
        Some(_) => Ok(list(|names| names.split('|').any(|name| name == wanted))),
        None => Err(format!("unknown command: '{wanted}'")),
    }
}

/// One line for each command whose names please `wanted`, in the order of their names.
pub(super) fn list(wanted: impl Fn(&str) -> bool) -> String {
    let mut lines: Vec<String> = COMMANDS
        .iter()
        .filter_map(|command| command.hmp.as_ref())
        .filter(|hmp| wanted(hmp.names))
        .map(|hmp| format!("{} {} -- {}\n", hmp.names, hmp.params, hmp.help))
        .collect();
    lines.sort_unstable();
    lines.concat()
}

/// For commands that take no parameters.
pub(super) fn nothing_more(rest: &str) -> Result<(), String> {
    match rest.trim() {
        "" => Ok(()),
        rest => Err(format!(
            "extraneous characters at the end of line: '{rest}'"
        )),
    }
}
