//! Commands about descriptors that clients pass (SCM_RIGHTS) and about objects.

use migration::transport::tls::Endpoint;
use serde_json::{Value, json};

use super::{Args, Context, Failure};
use crate::migrate::{FdError, ObjectError, TlsCredsX509};

impl From<FdError> for Failure {
    fn from(error: FdError) -> Self {
        Self::generic(error.to_string())
    }
}

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Self {
        Self::generic(error.to_string())
    }
}

fn text<'a>(args: &'a Args, name: &str) -> &'a str {
    args.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn set_number(args: &Args) -> Result<Option<u64>, Failure> {
    match args.get("fdset-id") {
        None => Ok(None),
        Some(number) => number
            .as_u64()
            .map(Some)
            .ok_or_else(|| Failure::generic("Parameter 'fdset-id' expects a non-negative value")),
    }
}

pub(super) fn getfd(context: &Context, args: &Args) -> Result<Value, Failure> {
    context.migrations.fds().get(text(args, "fdname"))?;
    Ok(json!({}))
}

pub(super) fn closefd(context: &Context, args: &Args) -> Result<Value, Failure> {
    let name = text(args, "fdname");
    match context.migrations.fds().take(name) {
        Ok(_) => Ok(json!({})),
        Err(_) => Err(Failure::generic(format!(
            "File descriptor named '{name}' not found"
        ))),
    }
}

pub(super) fn add_fd(context: &Context, args: &Args) -> Result<Value, Failure> {
    let opaque = args.get("opaque").and_then(Value::as_str);
    let added = context
        .migrations
        .fds()
        .add(set_number(args)?, opaque.map(str::to_owned))?;
    Ok(json!({ "fdset-id": added.set, "fd": added.fd }))
}

pub(super) fn remove_fd(context: &Context, args: &Args) -> Result<Value, Failure> {
    let set = set_number(args)?.unwrap_or(0);
    let fd = match args.get("fd") {
        None => None,
        Some(fd) => Some(
            fd.as_i64()
                .and_then(|fd| i32::try_from(fd).ok())
                .ok_or_else(|| Failure::generic("Parameter 'fd' expects a descriptor's number"))?,
        ),
    };
    context.migrations.fds().remove(set, fd)?;
    Ok(json!({}))
}

pub(super) fn query_fdsets(context: &Context, _: &Args) -> Result<Value, Failure> {
    let mut sets = Vec::new();
    context.migrations.fds().each_set(|set, members| {
        let fds: Vec<Value> = members
            .iter()
            .map(|(fd, opaque)| match opaque {
                Some(opaque) => json!({ "fd": fd, "opaque": opaque }),
                None => json!({ "fd": fd }),
            })
            .collect();
        sets.push(json!({ "fdset-id": set, "fds": fds }));
    });
    Ok(Value::Array(sets))
}

pub(super) fn object_add(context: &Context, args: &Args) -> Result<Value, Failure> {
    let kind = text(args, "qom-type");
    if kind != "tls-creds-x509" {
        return Err(Failure::generic(format!(
            "Parameter 'qom-type' does not accept value '{kind}'"
        )));
    }
    let mut spec = TlsCredsX509 {
        id: text(args, "id").to_owned(),
        dir: text(args, "dir").into(),
        endpoint: Endpoint::Client,
        verify_peer: true,
    };
    for (name, value) in args {
        match (name.as_str(), value) {
            ("qom-type" | "id", _) | ("dir" | "priority", Value::String(_)) => {}
            ("endpoint", Value::String(text)) => {
                spec.endpoint = match text.as_str() {
                    "client" => Endpoint::Client,
                    "server" => Endpoint::Server,
                    other => {
                        return Err(Failure::generic(format!(
                            "Parameter 'endpoint' does not accept value '{other}'"
                        )));
                    }
                }
            }
            ("verify-peer", Value::Bool(on)) => spec.verify_peer = *on,
            ("dir" | "priority" | "endpoint" | "verify-peer", _) => {
                return Err(Failure::generic(format!(
                    "Invalid parameter type for '{name}', expected: {}",
                    if name == "verify-peer" {
                        "boolean"
                    } else {
                        "string"
                    }
                )));
            }
            (other, _) => {
                return Err(Failure::generic(format!(
                    "Parameter '{other}' is unexpected"
                )));
            }
        }
    }
    if spec.dir.as_os_str().is_empty() {
        return Err(Failure::generic("Parameter 'dir' is missing"));
    }
    context.migrations.objects().add(&spec)?;
    Ok(json!({}))
}

pub(super) fn object_del(context: &Context, args: &Args) -> Result<Value, Failure> {
    context.migrations.objects().remove(text(args, "id"))?;
    Ok(json!({}))
}
