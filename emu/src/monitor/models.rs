//! What CPUs are: their models and features, and their topology.

use machine::{CpuMove, Entitlement};
use serde_json::{Map, Value, json};

use super::{Args, Context, Failure};

/// QAPI's CpuDefinitionInfo of every model.
pub(super) fn query_definitions(context: &Context, _: &Args) -> Result<Value, Failure> {
    let suffix = match context.kind.arch() {
        "x86_64" => "x86_64-cpu",
        arch => &format!("{arch}-cpu"),
    };
    let list = context.kind.cpu_models().iter().map(|model| {
        json!({
            "name": model,
            "typename": format!("{model}-{suffix}"),
            "static": false,
            "migration-safe": *model != "max",
            "unavailable-features": [],
            "deprecated": false,
        })
    });
    Ok(Value::Array(list.collect()))
}

/// QAPI's CpuModelExpansionInfo: a model with all of its features.
pub(super) fn expand(context: &Context, args: &Args) -> Result<Value, Failure> {
    let model = args.get("model").and_then(Value::as_object);
    let name = model
        .and_then(|model| model.get("name"))
        .and_then(Value::as_str)
        .ok_or_else(|| Failure::generic("Parameter 'model.name' is missing"))?;
    let mut cpu = name.to_owned();
    let props = model.and_then(|model| model.get("props"));
    for (feature, on) in props.and_then(Value::as_object).into_iter().flatten() {
        match on {
            Value::Bool(true) => cpu += &format!(",{feature}=on"),
            Value::Bool(false) => cpu += &format!(",{feature}=off"),
            _ => {
                let text = format!("Invalid parameter type for '{feature}', expected: boolean");
                return Err(Failure::generic(text));
            }
        }
    }
    if !context.kind.cpu_models().contains(&name) {
        let text = format!("The CPU definition '{name}' is unknown.");
        return Err(Failure::generic(text));
    }
    let features = context
        .kind
        .cpu_features(Some(&cpu))
        .map_err(|error| Failure::generic(error.to_string()))?;
    let props: Map<String, Value> = features
        .into_iter()
        .map(|feature| (feature.name.to_owned(), json!(feature.installed)))
        .collect();
    Ok(json!({ "model": { "name": name, "props": props } }))
}

/// QMP `set-cpu-topology`.
pub(super) fn set_topology(context: &Context, args: &Args) -> Result<Value, Failure> {
    let number = |name: &str| -> Result<Option<u32>, Failure> {
        args.get(name).map_or(Ok(None), |value| {
            let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
            let wrong = || Failure::generic(format!("Parameter '{name}' expects uint16"));
            number.map(Some).ok_or_else(wrong)
        })
    };
    let entitlement = match args.get("entitlement").and_then(Value::as_str) {
        None | Some("auto") => None,
        Some("low") => Some(Entitlement::Low),
        Some("medium") => Some(Entitlement::Medium),
        Some(_) => Some(Entitlement::High),
    };
    let to = CpuMove {
        socket: number("socket-id")?,
        book: number("book-id")?,
        drawer: number("drawer-id")?,
        entitlement,
        dedicated: args.get("dedicated").and_then(Value::as_bool),
    };
    let core_id = number("core-id")?.unwrap_or_default();
    context
        .machine
        .move_cpu(core_id, &to)
        .map_err(|error| Failure::generic(error.to_string()))?;
    Ok(json!({}))
}

/// QMP `query-s390x-cpu-polarization`.
pub(super) fn query_polarization(context: &Context, _: &Args) -> Result<Value, Failure> {
    let polarization = match context.machine.vertical_polarization() {
        Some(true) => "vertical",
        Some(false) | None => "horizontal",
    };
    Ok(json!({ "polarization": polarization }))
}
