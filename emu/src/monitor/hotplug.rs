//! What comes to a machine while it is there: CPUs.

use std::fmt::Write as _;
use std::sync::PoisonError;

use serde_json::{Value, json};

use super::hmp::Session;
use super::query::nothing_more;
use super::{Args, Context, Failure};
use crate::cli;

/// QMP `device_add`: any properties beside the driver.
pub(super) fn device_add(context: &Context, args: &Args) -> Result<Value, Failure> {
    let text = |value: &Value| match value {
        Value::String(text) => text.replace(',', ",,"),
        Value::Bool(on) => if *on { "on" } else { "off" }.to_owned(),
        other => other.to_string(),
    };
    let words: Vec<String> = args
        .iter()
        .map(|(key, value)| format!("{key}={}", text(value)))
        .collect();
    add(context, &words.join(",")).map_err(Failure::generic)?;
    Ok(json!({}))
}

pub(super) fn hmp_device_add(
    context: &Context,
    _: &mut Session,
    rest: &str,
) -> Result<String, String> {
    add(context, rest.trim())?;
    Ok(String::new())
}

fn add(context: &Context, text: &str) -> Result<(), String> {
    let status = context.migrations.progress().status();
    if status.is_some_and(|status| !status.is_final()) {
        return Err("device_add not allowed while migrating".into());
    }
    let (cpu, id) = cli::parse_added_device(text).map_err(|error| error.to_string())?;
    let mut ids = context
        .added_cpus
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(id) = id.as_ref().filter(|id| ids.contains(id)) {
        return Err(format!("Duplicate device ID '{id}'"));
    }
    context
        .machine
        .add_cpu(&cpu)
        .map_err(|error| error.to_string())?;
    ids.extend(id);
    Ok(())
}

/// QMP `device_del`: no CPU ever goes.
pub(super) fn device_del(context: &Context, args: &Args) -> Result<Value, Failure> {
    let id = args.get("id").and_then(Value::as_str).unwrap_or_default();
    Err(removal(context, id))
}

pub(super) fn hmp_device_del(
    context: &Context,
    _: &mut Session,
    rest: &str,
) -> Result<String, String> {
    Err(removal(context, rest.trim()).text)
}

fn removal(context: &Context, id: &str) -> Failure {
    let ids = context
        .added_cpus
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if ids.iter().any(|known| known == id) {
        return Failure::generic("CPU hot unplug not supported on this machine");
    }
    Failure {
        class: "DeviceNotFound",
        text: format!("Device '{id}' not found"),
    }
}

/// QAPI's HotpluggableCPU, those with the greatest number first as in QEMU.
pub(super) fn query_hotpluggable(context: &Context, _: &Args) -> Result<Value, Failure> {
    let cpus = context.machine.possible_cpus();
    if cpus.is_empty() {
        return Err(Failure::generic(
            "The feature 'query-hotpluggable-cpus' is not enabled",
        ));
    }
    let list = cpus.iter().rev().map(|cpu| {
        let mut entry = json!({
            "props": { "core-id": cpu.core_id },
            "vcpus-count": 1,
            "type": cpu.driver,
        });
        if cpu.present {
            let path = format!("/machine/unattached/device[{}]", cpu.core_id);
            entry["qom-path"] = json!(path);
        }
        entry
    });
    Ok(Value::Array(list.collect()))
}

pub(super) fn hmp_hotpluggable(
    context: &Context,
    _: &mut Session,
    rest: &str,
) -> Result<String, String> {
    nothing_more(rest)?;
    let mut text = "Hotpluggable CPUs:\n".to_owned();
    for cpu in context.machine.possible_cpus().iter().rev() {
        let _ = writeln!(text, "  type: \"{}\"", cpu.driver);
        let _ = writeln!(text, "  vcpus_count: \"1\"");
        if cpu.present {
            let path = format!("/machine/unattached/device[{}]", cpu.core_id);
            let _ = writeln!(text, "  qom_path: \"{path}\"");
        }
        let _ = writeln!(text, "  CPUInstance Properties:");
        let _ = writeln!(text, "    core-id: \"{}\"", cpu.core_id);
    }
    Ok(text)
}
