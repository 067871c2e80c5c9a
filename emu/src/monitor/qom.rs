//! `qom-get`, `qom-list` and what else is asked of QAPI's object tree.
//!
//! The tree is as small as what programs ask for: the machine and its real-time clock. Objects
//! cannot be changed through it.

use std::fmt::Write as _;

use machine::RtcTime;
use serde_json::{Value, json};

use super::hmp::Session;
use super::{Args, Context, Failure};

/// Where the machine's real-time clock is.
pub(crate) const RTC_PATH: &str = "/machine/rtc";

/// QEMU's name for that object's type.
const RTC_TYPE: &str = "mc146818rtc";

/// One property of an object; children are properties whose value is their path.
struct Property {
    name: &'static str,
    kind: String,
    value: Value,
}

impl Property {
    fn child(name: &'static str, kind: &str, path: &str) -> Self {
        Self {
            name,
            kind: format!("child<{kind}>"),
            value: json!(path),
        }
    }

    fn date(name: &'static str, time: RtcTime) -> Self {
        Self {
            name,
            kind: "struct tm".into(),
            value: json!({
                "tm_year": time.tm_year,
                "tm_mon": time.tm_mon,
                "tm_mday": time.tm_mday,
                "tm_hour": time.tm_hour,
                "tm_min": time.tm_min,
                "tm_sec": time.tm_sec,
            }),
        }
    }
}

/// An object: its type's name and its properties, as they are now.
struct Object {
    kind: String,
    properties: Vec<Property>,
}

fn machine_type(context: &Context) -> String {
    let name = context.kind.names().first().copied().unwrap_or_default();
    format!("{name}-machine")
}

fn find(context: &Context, path: &str) -> Result<Object, Failure> {
    let rtc = context.machine.rtc();
    let mut object = match (path, &rtc) {
        ("/", _) => Object {
            kind: "container".into(),
            properties: vec![Property::child(
                "machine",
                &machine_type(context),
                "/machine",
            )],
        },
        ("/machine", rtc) => {
            let mut properties = Vec::new();
            if let Some(rtc) = rtc {
                properties.push(Property::date("rtc-time", rtc.time()));
                properties.push(Property::child("rtc", RTC_TYPE, RTC_PATH));
            }
            Object {
                kind: machine_type(context),
                properties,
            }
        }
        (RTC_PATH, Some(rtc)) => Object {
            kind: RTC_TYPE.into(),
            properties: vec![Property::date("date", rtc.time())],
        },
        _ => {
            return Err(Failure {
                class: "DeviceNotFound",
                text: format!("Device '{path}' not found"),
            });
        }
    };
    let kind = Property {
        name: "type",
        kind: "string".into(),
        value: json!(object.kind),
    };
    object.properties.insert(0, kind);
    Ok(object)
}

/// The value of an object's property.
fn get_property(context: &Context, path: &str, property: &str) -> Result<Value, Failure> {
    let object = find(context, path)?;
    let kind = object.kind;
    let mut properties = object.properties.into_iter();
    match properties.find(|found| found.name == property) {
        Some(found) => Ok(found.value),
        None => Err(Failure::generic(format!(
            "Property '{kind}.{property}' not found"
        ))),
    }
}

fn text<'a>(args: &'a Args, name: &str) -> &'a str {
    args.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn get(context: &Context, args: &Args) -> Result<Value, Failure> {
    get_property(context, text(args, "path"), text(args, "property"))
}

pub(super) fn hmp_get(context: &Context, _: &mut Session, rest: &str) -> Result<String, String> {
    let mut words = rest.split_whitespace();
    let (Some(path), Some(property), None) = (words.next(), words.next(), words.next()) else {
        return Err("expected a path and a property".into());
    };
    let value = get_property(context, path, property).map_err(|e| e.to_string())?;
    Ok(format!("{value:#}\n"))
}

pub(super) fn list(context: &Context, args: &Args) -> Result<Value, Failure> {
    let object = find(context, text(args, "path"))?;
    let properties = object.properties.into_iter();
    Ok(properties
        .map(|property| json!({ "name": property.name, "type": property.kind }))
        .collect())
}

pub(super) fn hmp_list(context: &Context, _: &mut Session, rest: &str) -> Result<String, String> {
    let path = match rest.trim() {
        "" => "/",
        path => path,
    };
    let object = find(context, path).map_err(|e| e.to_string())?;
    let mut text = String::new();
    for property in object.properties {
        let _ = writeln!(text, "{} ({})", property.name, property.kind);
    }
    Ok(text)
}

pub(super) fn list_types(context: &Context, args: &Args) -> Result<Value, Failure> {
    let implements = args.get("implements").and_then(Value::as_str);
    let mut types: Vec<(String, &str)> = context
        .kinds()
        .flat_map(|kind| kind.names())
        .map(|name| (format!("{name}-machine"), "machine"))
        .collect();
    if context.kind.arch() == "s390x" {
        types.push(("sclpconsole".into(), "s390-sclp-event-type"));
    }
    if context.machine.rtc().is_some() {
        types.push((RTC_TYPE.into(), "isa-device"));
    }
    types.retain(|(name, parent)| {
        implements.is_none_or(|wanted| wanted == name || wanted == *parent)
    });
    Ok(types
        .into_iter()
        .map(|(name, parent)| json!({ "name": name, "parent": parent }))
        .collect())
}

/// QEMU: forgets the periodic interrupts that are still to be given back.
pub(super) fn reset_reinjection(context: &Context, _: &Args) -> Result<Value, Failure> {
    if let Some(rtc) = context.machine.rtc() {
        rtc.reset_reinjection();
    }
    Ok(json!({}))
}
