//! Commands that interrupt the guest by force, or say when its watchdog does.

use serde_json::{Value, json};

use super::hmp::Session;
use super::{Args, Context, Failure};
use crate::cli::WatchdogAction;

/// QAPI's `WatchdogAction`.
pub(super) const ACTIONS: &[&str] = &[
    "reset",
    "shutdown",
    "poweroff",
    "pause",
    "debug",
    "none",
    "inject-nmi",
];

/// The CPU that a program's `inject-nmi` is for.
const FIRST_CPU: usize = 0;

pub(super) fn inject_nmi(context: &Context, _: &Args) -> Result<Value, Failure> {
    context
        .inspect()
        .inject_nmi(FIRST_CPU)
        .map_err(|e| Failure::generic(e.to_string()))?;
    Ok(json!({}))
}

pub(super) fn hmp_nmi(context: &Context, session: &mut Session, _: &str) -> Result<String, String> {
    context
        .inspect()
        .inject_nmi(session.cpu)
        .map_err(|e| e.to_string())?;
    Ok(String::new())
}

fn set(context: &Context, name: &str) -> Result<(), Failure> {
    let Some(action) = WatchdogAction::find(name) else {
        return Err(Failure::generic(format!(
            "there is no watchdog action '{name}', expected one of: {}",
            ACTIONS.join(", ")
        )));
    };
    context.control.set_watchdog_action(action)?;
    Ok(())
}

pub(super) fn set_watchdog_action(context: &Context, args: &Args) -> Result<Value, Failure> {
    let name = args
        .get("action")
        .and_then(Value::as_str)
        .unwrap_or_default();
    set(context, name)?;
    Ok(json!({}))
}

pub(super) fn hmp_watchdog_action(
    context: &Context,
    _: &mut Session,
    rest: &str,
) -> Result<String, String> {
    set(context, rest.trim()).map_err(|failure| failure.text)?;
    Ok(String::new())
}
