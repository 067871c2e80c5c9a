//! Commands about snapshots and jobs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::hmp::Session;
use super::query::nothing_more;
use super::{Args, Context, Failure};
use crate::migrate::{JobError, SnapshotError};

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        Self::generic(error.to_string())
    }
}

fn text<'a>(args: &'a Args, name: &str) -> &'a str {
    args.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Starts a job that does `work` with the tag.
fn job(
    context: &Context,
    args: &Args,
    kind: &'static str,
    work: fn(&crate::migrate::Migrations, &str) -> Result<(), SnapshotError>,
) -> Result<Value, Failure> {
    let migrations = context.migrations.clone();
    let tag = text(args, "tag").to_owned();
    context
        .migrations
        .jobs()
        .start(text(args, "job-id"), kind, move || {
            work(&migrations, &tag).map_err(|e| e.to_string())
        })?;
    Ok(json!({}))
}

pub(super) fn save(context: &Context, args: &Args) -> Result<Value, Failure> {
    job(context, args, "snapshot-save", |migrations, tag| {
        migrations.save_snapshot(tag, false)
    })
}

pub(super) fn load(context: &Context, args: &Args) -> Result<Value, Failure> {
    job(context, args, "snapshot-load", |migrations, tag| {
        migrations.load_snapshot(tag)
    })
}

pub(super) fn delete(context: &Context, args: &Args) -> Result<Value, Failure> {
    job(context, args, "snapshot-delete", |migrations, tag| {
        migrations.snapshots().delete(tag)
    })
}

pub(super) fn query_jobs(context: &Context, _: &Args) -> Result<Value, Failure> {
    Ok(context.migrations.jobs().query())
}

pub(super) fn dismiss(context: &Context, args: &Args) -> Result<Value, Failure> {
    context.migrations.jobs().dismiss(text(args, "id"))?;
    Ok(json!({}))
}

fn said(result: Result<(), SnapshotError>) -> Result<String, String> {
    match result {
        Ok(()) => Ok(String::new()),
        Err(e) => Err(format!("Error: {e}")),
    }
}

pub(super) fn hmp_save(context: &Context, _: &mut Session, rest: &str) -> Result<String, String> {
    match rest.trim() {
        // QEMU's name for one that the user does not name.
        "" => {
            let tag = jiff::Zoned::now().strftime("vm-%Y%m%d%H%M%S").to_string();
            said(context.migrations.save_snapshot(&tag, true))
        }
        tag => said(context.migrations.save_snapshot(tag, true)),
    }
}

pub(super) fn hmp_load(context: &Context, _: &mut Session, rest: &str) -> Result<String, String> {
    said(context.migrations.load_snapshot(tag(rest, "loadvm")?))
}

pub(super) fn hmp_delete(context: &Context, _: &mut Session, rest: &str) -> Result<String, String> {
    said(context.migrations.snapshots().delete(tag(rest, "delvm")?))
}

fn tag<'a>(rest: &'a str, command: &str) -> Result<&'a str, String> {
    match rest.trim() {
        "" => Err(format!(
            "{command}: string expected\nTry \"help {command}\" for more information"
        )),
        tag => Ok(tag),
    }
}

pub(super) fn hmp_list(context: &Context, _: &mut Session, rest: &str) -> Result<String, String> {
    nothing_more(rest)?;
    let snapshots = context.migrations.snapshots();
    let list = snapshots.list().map_err(|e| format!("Error: {e}"))?;
    if list.is_empty() {
        return Ok("There is no snapshot available.\n".into());
    }
    let mut text = format!(
        "List of snapshots in {}:\n{:<32} {:>12} {:>20}\n",
        snapshots.folder().display(),
        "TAG",
        "VM SIZE",
        "DATE"
    );
    for one in list {
        let date = jiff::Timestamp::try_from(one.date).map_or_else(
            |_| "?".to_owned(),
            |stamp| {
                stamp
                    .to_zoned(jiff::tz::TimeZone::system())
                    .strftime("%Y-%m-%d %H:%M:%S")
                    .to_string()
            },
        );
        let size = format!("{:.1} MiB", one.bytes as f64 / f64::from(1 << 20));
        let _ = writeln!(text, "{:<32} {size:>12} {date:>20}", one.tag);
    }
    Ok(text)
}
