//! Migration as monitors see it: states, events and their order, refusals, descriptors, snapshots.
//!
//! The machine is the fake one: what moves with a real guest is tested from end to end elsewhere.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod common;

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Instant;

use common::rig::{LIMIT, Line, Rig};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

fn command(line: &mut Line, name: &str, arguments: Value) -> (Vec<String>, Value) {
    line.command(&json!({ "execute": name, "arguments": arguments }).to_string())
}

/// The answer, which must not be an error.
#[track_caller]
fn ok(line: &mut Line, name: &str, arguments: Value) -> Value {
    let (_, answer) = command(line, name, arguments);
    assert!(answer.get("error").is_none(), "{name}: {answer}");
    answer["return"].clone()
}

#[track_caller]
fn refused(line: &mut Line, name: &str, arguments: Value) -> String {
    let (_, answer) = command(line, name, arguments);
    answer["error"]["desc"]
        .as_str()
        .unwrap_or_else(|| panic!("{name}: {answer}"))
        .to_owned()
}

fn state(line: &mut Line) -> String {
    let status = ok(line, "query-status", json!({}));
    status["status"].as_str().unwrap().to_owned()
}

#[track_caller]
fn capability(line: &mut Line, name: &str) {
    let list = json!({ "capabilities": [{ "capability": name, "state": true }] });
    ok(line, "migrate-set-capabilities", list);
}

/// Waits for this migration status, which must be the next final one.
#[track_caller]
fn migration(line: &mut Line, wanted: &str) -> Value {
    let until = Instant::now() + LIMIT;
    loop {
        let answer = ok(line, "query-migrate", json!({}));
        if answer["status"] == wanted {
            return answer;
        }
        let over = ["completed", "failed", "cancelled"]
            .iter()
            .any(|s| answer["status"] == *s);
        assert!(!over && Instant::now() < until, "{answer}");
    }
}

/// Events up to this migration status, as `NAME` or `MIGRATION status`.
fn events_to(line: &mut Line, status: &str) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let event = line.event();
        let name = event["event"].as_str().unwrap();
        match event["data"]["status"].as_str() {
            Some(found) if name == "MIGRATION" => {
                seen.push(format!("{name} {found}"));
                if found == status {
                    return seen;
                }
            }
            _ => seen.push(name.to_owned()),
        }
    }
}

/// A program that waits for a guest at `in` in its folder, with a control connection.
fn waiting(extra: &[&str]) -> (Rig, Line) {
    let mut words = vec!["-incoming", "unix:@/in"];
    words.extend(extra);
    let rig = Rig::usual(&words);
    let line = rig.qmp("qmp");
    (rig, line)
}

fn uri(rig: &Rig) -> String {
    format!("unix:{}", rig.path("in").display())
}

#[test]
fn a_guest_moves_and_everything_is_told_in_order() {
    let mut source = Rig::usual(&["-smp", "2"]);
    let mut here = source.qmp("qmp");
    let (mut destination, mut there) = waiting(&["-smp", "2"]);
    assert_eq!(state(&mut there), "inmigrate");
    assert_eq!(
        ok(&mut there, "query-migrate", json!({}))["socket-address"][0]["type"],
        "unix"
    );
    capability(&mut here, "events");
    capability(&mut there, "events");
    let address = uri(&destination);
    here.send(&json!({ "execute": "migrate", "arguments": { "uri": address } }).to_string());
    // The answer may come before or after the first events.
    let mut told = Vec::new();
    loop {
        let message: Value = serde_json::from_str(&here.read_line()).unwrap();
        let name = message["event"].as_str().unwrap_or("reply").to_owned();
        let status = message["data"]["status"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if name != "MIGRATION_PASS" && name != "reply" {
            told.push(format!("{name} {status}").trim_end().to_owned());
        }
        if status == "completed" {
            break;
        }
    }
    assert_eq!(
        told,
        [
            "MIGRATION setup",
            "MIGRATION active",
            "CLOCK_STOPPED",
            "STOP",
            "MIGRATION device",
            "MIGRATION completed"
        ]
    );
    let mut told = events_to(&mut there, "completed");
    told.retain(|name| name != "MIGRATION_PASS");
    assert_eq!(
        told,
        [
            "MIGRATION setup",
            "MIGRATION active",
            "CLOCK_STARTED",
            "RESUME",
            "MIGRATION completed"
        ]
    );
    assert_eq!(state(&mut here), "postmigrate");
    assert_eq!(state(&mut there), "running");
    assert!(!destination.path("in").exists());
    let report = ok(&mut here, "query-migrate", json!({}));
    assert_eq!(report["ram"]["total"], 16 << 20);
    assert!(report["x-downtime-ns"].is_i64(), "{report}");
    assert_eq!(
        refused(&mut here, "migrate", json!({ "uri": "unix:/nowhere" })),
        "Can't migrate the vm that was paused due to previous migration"
    );
    // A user may start it here all the same, as in QEMU.
    assert_eq!(here.execute("cont").0, ["CLOCK_STARTED", "RESUME"]);
    assert_eq!(state(&mut here), "running");
    ok(&mut here, "quit", json!({}));
    assert_eq!(source.end(), Ok(0));
    ok(&mut there, "quit", json!({}));
    assert_eq!(destination.end(), Ok(0));
}

#[test]
fn a_stopped_guest_stays_stopped_and_users_may_ask_for_that_while_they_wait() {
    for (stop_here, extra, stop_there, expected) in [
        (true, &[][..], false, "paused"),
        (false, &["-S"], false, "paused"),
        (false, &[], true, "paused"),
    ] {
        let source = Rig::usual(&[]);
        let mut here = source.qmp("qmp");
        let (destination, mut there) = waiting(extra);
        if stop_here {
            ok(&mut here, "stop", json!({}));
        }
        if stop_there {
            assert_eq!(there.execute("stop").0, [""; 0]);
        }
        ok(&mut here, "migrate", json!({ "uri": uri(&destination) }));
        migration(&mut here, "completed");
        migration(&mut there, "completed");
        assert_eq!(state(&mut there), expected);
        assert_eq!(there.execute("cont").0, ["CLOCK_STARTED", "RESUME"]);
        for (mut rig, mut line) in [(source, here), (destination, there)] {
            ok(&mut line, "quit", json!({}));
            assert_eq!(rig.end(), Ok(0));
        }
    }
}

#[test]
fn a_guest_that_never_ran_moves_as_such() {
    let mut source = Rig::usual(&["-S"]);
    let mut here = source.qmp("qmp");
    let (mut destination, mut there) = waiting(&[]);
    ok(&mut here, "migrate", json!({ "uri": uri(&destination) }));
    migration(&mut here, "completed");
    migration(&mut there, "completed");
    assert_eq!(state(&mut there), "prelaunch");
    ok(&mut there, "cont", json!({}));
    assert_eq!(state(&mut there), "running");
    ok(&mut here, "quit", json!({}));
    ok(&mut there, "quit", json!({}));
    assert_eq!((source.end(), destination.end()), (Ok(0), Ok(0)));
}

#[test]
fn a_guest_that_has_ended_or_crashed_moves_as_such() {
    for (word, action, expected, cont) in [
        (
            "poweroff",
            "shutdown=pause",
            "shutdown",
            Some("Resetting the Virtual Machine is required"),
        ),
        ("crash", "panic=pause", "guest-panicked", None),
    ] {
        let mut source = Rig::usual(&["-action", action]);
        let mut here = source.qmp("qmp");
        let mut console = source.connect("con");
        console.send(&format!("{word}\n"));
        while state(&mut here) == "running" {}
        assert_eq!(state(&mut here), expected);
        let (mut destination, mut there) = waiting(&[]);
        ok(&mut here, "migrate", json!({ "uri": uri(&destination) }));
        migration(&mut here, "completed");
        migration(&mut there, "completed");
        assert_eq!(state(&mut there), expected);
        match cont {
            Some(refusal) => assert_eq!(refused(&mut there, "cont", json!({})), refusal),
            None => {
                ok(&mut there, "cont", json!({}));
            }
        }
        ok(&mut here, "quit", json!({}));
        ok(&mut there, "quit", json!({}));
        assert_eq!((source.end(), destination.end()), (Ok(0), Ok(0)));
    }
}

#[test]
fn before_the_switch_over_there_is_a_pause_and_users_wishes_are_kept() {
    let mut source = Rig::usual(&[]);
    let mut here = source.qmp("qmp");
    let mut console = source.connect("con");
    capability(&mut here, "pause-before-switchover");
    let (mut destination, mut there) = waiting(&[]);
    ok(&mut here, "migrate", json!({ "uri": uri(&destination) }));
    migration(&mut here, "pre-switchover");
    assert_eq!(state(&mut here), "finish-migrate");
    assert_eq!(
        refused(&mut here, "cont", json!({})),
        "Migration is not finalized yet"
    );
    assert_eq!(
        refused(&mut here, "migrate", json!({ "uri": "unix:/nowhere" })),
        "There's a migration process in progress"
    );
    assert_eq!(
        refused(&mut here, "migrate-continue", json!({ "state": "device" })),
        "Migration not in expected state: pre-switchover"
    );
    // A reset that is asked for now is done when the guest is here again, and only then.
    assert_eq!(here.execute("system_reset").0, [""; 0]);
    ok(&mut here, "migrate_cancel", json!({}));
    migration(&mut here, "cancelled");
    assert_eq!(state(&mut here), "running");
    console.send("there?\n");
    assert!(
        console.read_until("got: there?").contains("reset"),
        "no reset"
    );
    assert_eq!(destination.end(), Ok(1));
    drop(there);

    // Once more, with a user who stops the guest in the pause: it stays stopped.
    (destination, there) = waiting(&[]);
    ok(&mut here, "migrate", json!({ "uri": uri(&destination) }));
    migration(&mut here, "pre-switchover");
    ok(&mut here, "stop", json!({}));
    ok(&mut here, "migrate_cancel", json!({}));
    migration(&mut here, "cancelled");
    assert_eq!(state(&mut here), "paused");
    assert_eq!(destination.end(), Ok(1));
    drop(there);

    (destination, there) = waiting(&[]);
    ok(&mut here, "cont", json!({}));
    ok(&mut here, "migrate", json!({ "uri": uri(&destination) }));
    migration(&mut here, "pre-switchover");
    ok(
        &mut here,
        "migrate-continue",
        json!({ "state": "pre-switchover" }),
    );
    migration(&mut here, "completed");
    migration(&mut there, "completed");
    assert_eq!(state(&mut there), "running");
    ok(&mut here, "quit", json!({}));
    ok(&mut there, "quit", json!({}));
    assert_eq!((source.end(), destination.end()), (Ok(0), Ok(0)));
}

#[test]
fn a_destination_that_hangs_up_costs_nothing() {
    let mut source = Rig::usual(&[]);
    let mut here = source.qmp("qmp");
    let listener = UnixListener::bind(source.path("in")).unwrap();
    ok(&mut here, "migrate", json!({ "uri": uri(&source) }));
    drop(listener.accept().unwrap());
    let report = migration(&mut here, "failed");
    assert!(report["error-desc"].is_string(), "{report}");
    assert_eq!(state(&mut here), "running");
    // A destination that takes nothing: the user gives up.
    ok(&mut here, "migrate", json!({ "uri": uri(&source) }));
    let silent = listener.accept().unwrap();
    ok(&mut here, "migrate_cancel", json!({}));
    migration(&mut here, "cancelled");
    drop(silent);
    // So does quit.
    ok(&mut here, "migrate", json!({ "uri": uri(&source) }));
    let _silent = listener.accept().unwrap();
    ok(&mut here, "quit", json!({}));
    assert_eq!(source.end(), Ok(0));
}

#[test]
fn a_stream_that_is_none_ends_the_destination_unless_it_is_to_stay() {
    let (mut rig, mut line) = waiting(&[]);
    capability(&mut line, "events");
    let mut stream = UnixStream::connect(rig.path("in")).unwrap();
    stream.write_all(&[0; 4096]).unwrap();
    assert!(events_to(&mut line, "failed").contains(&"MIGRATION failed".to_owned()));
    assert_eq!(rig.end(), Ok(1));

    let mut rig = Rig::usual(&["-incoming", "defer"]);
    let mut line = rig.qmp("qmp");
    let place = json!({ "uri": uri(&rig), "exit-on-error": false });
    ok(&mut line, "migrate-incoming", place.clone());
    assert_eq!(
        refused(&mut line, "migrate-incoming", place),
        "The incoming migration has already been started"
    );
    drop(UnixStream::connect(rig.path("in")).unwrap());
    let report = migration(&mut line, "failed");
    assert!(report["error-desc"].is_string(), "{report}");
    assert_eq!(state(&mut line), "inmigrate");
    ok(&mut line, "quit", json!({}));
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn quit_leaves_no_socket_behind() {
    let (mut rig, mut line) = waiting(&[]);
    assert!(rig.path("in").exists());
    ok(&mut line, "quit", json!({}));
    assert_eq!(rig.end(), Ok(0));
    assert!(!rig.path("in").exists());
}

#[test]
fn refusals_read_as_qemus() {
    let mut rig = Rig::usual(&[]);
    let mut line = rig.qmp("qmp");
    for (name, arguments, message) in [
        ("migrate", json!({}), "Parameter 'uri' is missing"),
        (
            "migrate",
            json!({ "uri": "fd:x" }),
            "File descriptor named 'x' has not been found",
        ),
        (
            "migrate",
            json!({ "uri": "unix:/x", "resume": true }),
            "Cannot resume if there is no paused migration: this version has no postcopy",
        ),
        (
            "migrate-incoming",
            json!({ "uri": "unix:/x" }),
            "'-incoming' was not specified on the command line",
        ),
        (
            "migrate-continue",
            json!({ "state": "device" }),
            "Migration not in expected state: none",
        ),
        (
            "migrate-continue",
            json!({ "state": "foo" }),
            "Parameter 'state' does not accept value 'foo'",
        ),
        (
            "migrate-set-capabilities",
            json!({ "capabilities": [{ "capability": "nope", "state": true }] }),
            "Parameter 'capability' does not accept value 'nope'",
        ),
        (
            "migrate-set-capabilities",
            json!({ "capabilities": [{ "capability": "events" }] }),
            "Parameter 'capabilities[0].state' is missing",
        ),
        (
            "migrate-set-parameters",
            json!({ "nope": 1 }),
            "Parameter 'nope' is unexpected",
        ),
        (
            "getfd",
            json!({ "fdname": "a" }),
            "No file descriptor supplied via SCM_RIGHTS",
        ),
        (
            "closefd",
            json!({ "fdname": "a" }),
            "File descriptor named 'a' not found",
        ),
        ("job-dismiss", json!({ "id": "j" }), "Job not found"),
        (
            "object-add",
            json!({ "qom-type": "secret", "id": "s" }),
            "Parameter 'qom-type' does not accept value 'secret'",
        ),
        (
            "object-add",
            json!({ "qom-type": "tls-creds-x509", "id": "s" }),
            "Parameter 'dir' is missing",
        ),
    ] {
        assert_eq!(refused(&mut line, name, arguments), message, "{name}");
    }
    ok(&mut line, "migrate_cancel", json!({}));
    assert_eq!(ok(&mut line, "query-migrate", json!({})), json!({}));
    ok(
        &mut line,
        "migrate-set-parameters",
        json!({ "downtime-limit": 7 }),
    );
    let parameters = ok(&mut line, "query-migrate-parameters", json!({}));
    assert_eq!(parameters["downtime-limit"], 7);
    for (text, answer) in [
        ("migrate_set_parameter max-bandwidth 10", ""),
        (
            "migrate_set_parameter foo 3",
            "Error: invalid parameter value: foo\r\n",
        ),
        ("migrate_set_capability events on", ""),
        (
            "migrate_set_capability foo on",
            "Error: invalid parameter value: foo\r\n",
        ),
        ("migrate -x unix:/x", "unsupported option -x\r\n"),
        (
            "migrate unix:/nowhere/x",
            "terminal does not allow synchronous migration, continuing detached\r\n",
        ),
    ] {
        let said = ok(
            &mut line,
            "human-monitor-command",
            json!({ "command-line": text }),
        );
        assert_eq!(said, answer, "{text}");
    }
    migration(&mut line, "failed");
    let shown = json!({ "command-line": "info migrate_parameters" });
    let shown = ok(&mut line, "human-monitor-command", shown);
    assert!(
        shown
            .as_str()
            .unwrap()
            .contains("max-bandwidth: 10485760 bytes/second\r\n")
    );
    ok(&mut line, "quit", json!({}));
    assert_eq!(rig.end(), Ok(0));
}

/// Sends a command with a descriptor, which is taken.
fn pass(line: &mut Line, text: &str, fd: impl AsFd) {
    send_with(line, text, fd);
    assert_eq!(line.read_line(), r#"{"return": {}}"#);
}

/// Sends a command with a descriptor.
fn send_with(line: &mut Line, text: &str, fd: impl AsFd) {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    let message = IoSlice::new(text.as_bytes());
    sendmsg(&line.stream, &[message], &mut ancillary, SendFlags::empty()).unwrap();
}

#[test]
fn a_guest_moves_through_descriptors_that_clients_pass() {
    let mut source = Rig::usual(&[]);
    let mut here = source.qmp("qmp");
    let mut destination = Rig::usual(&["-incoming", "defer"]);
    let mut there = destination.qmp("qmp");
    let (one, other) = UnixStream::pair().unwrap();
    pass(
        &mut here,
        r#"{"execute":"getfd","arguments":{"fdname":"out"}}"#,
        one,
    );
    pass(
        &mut there,
        r#"{"execute":"getfd","arguments":{"fdname":"in"}}"#,
        other,
    );
    ok(&mut there, "migrate-incoming", json!({ "uri": "fd:in" }));
    ok(&mut here, "migrate", json!({ "uri": "fd:out" }));
    migration(&mut here, "completed");
    migration(&mut there, "completed");
    assert_eq!(state(&mut there), "running");
    // A descriptor is used once.
    assert_eq!(
        refused(&mut here, "closefd", json!({ "fdname": "out" })),
        "File descriptor named 'out' not found"
    );
    ok(&mut here, "quit", json!({}));
    ok(&mut there, "quit", json!({}));
    assert_eq!((source.end(), destination.end()), (Ok(0), Ok(0)));
}

#[test]
fn a_guest_is_saved_into_a_descriptor_and_comes_out_of_the_file() {
    let mut source = Rig::usual(&[]);
    let mut here = source.qmp("qmp");
    let file = std::fs::File::create(source.path("stream")).unwrap();
    let added = {
        let text = r#"{"execute":"add-fd","arguments":{"opaque":"a file"}}"#;
        send_with(&mut here, text, file);
        serde_json::from_str::<Value>(&here.read_line()).unwrap()
    };
    assert_eq!(added["return"]["fdset-id"], 0);
    assert_eq!(
        ok(&mut here, "query-fdsets", json!({}))[0]["fds"][0]["opaque"],
        "a file"
    );
    ok(&mut here, "migrate", json!({ "uri": "file:/dev/fdset/0" }));
    migration(&mut here, "completed");
    ok(&mut here, "remove-fd", json!({ "fdset-id": 0 }));
    assert_eq!(
        refused(&mut here, "remove-fd", json!({ "fdset-id": 0 })),
        "File descriptor named 'fdset-id:0' not found"
    );
    let address = format!("file:{}", source.path("stream").display());
    let mut destination = Rig::usual(&["-incoming", &address]);
    let mut there = destination.qmp("qmp");
    migration(&mut there, "completed");
    assert_eq!(state(&mut there), "running");
    ok(&mut here, "quit", json!({}));
    ok(&mut there, "quit", json!({}));
    assert_eq!((source.end(), destination.end()), (Ok(0), Ok(0)));
}

#[test]
fn people_wait_for_a_migration_and_what_they_type_meanwhile_comes_afterwards() {
    let mut source = Rig::usual(&[]);
    let mut here = source.connect("hmp");
    let (mut destination, mut there) = waiting(&[]);
    here.read_until("(qemu) ");
    here.send(&format!("migrate {}\rinfo status\r", uri(&destination)));
    let said = here.read_until("VM status: paused (postmigrate)\r\n");
    let done = said
        .find("completed in ")
        .unwrap_or_else(|| panic!("{said:?}"));
    assert!(said.find("VM status").unwrap() > done, "{said:?}");
    migration(&mut there, "completed");
    here.send("q\r");
    assert_eq!(source.end(), Ok(0));
    ok(&mut there, "quit", json!({}));
    assert_eq!(destination.end(), Ok(0));
    // Ctrl-C gives up.
    let mut source = Rig::usual(&[]);
    let listener = UnixListener::bind(source.path("in")).unwrap();
    let mut here = source.connect("hmp");
    here.read_until("(qemu) ");
    here.send(&format!("migrate {}\r", uri(&source)));
    let mut peer = listener.accept().unwrap().0;
    peer.read_exact(&mut [0; 8]).unwrap();
    here.send("\x03");
    here.read_until("migration cancelled\r\n(qemu) ");
    here.send("info status\r");
    here.read_until("VM status: running\r\n");
    here.send("q\r");
    assert_eq!(source.end(), Ok(0));
}

#[test]
fn snapshots_are_saved_loaded_listed_and_deleted() {
    let mut rig = Rig::usual(&["-snapshot-dir", "@"]);
    let mut line = rig.qmp("qmp");
    let hmp = |line: &mut Line, text: &str| {
        let said = ok(
            line,
            "human-monitor-command",
            json!({ "command-line": text }),
        );
        said.as_str().unwrap().to_owned()
    };
    assert_eq!(
        hmp(&mut line, "info snapshots"),
        "There is no snapshot available.\r\n"
    );
    assert_eq!(hmp(&mut line, "savevm one"), "");
    assert_eq!(state(&mut line), "running");
    assert!(rig.path("one.emusnap").is_file());
    assert!(hmp(&mut line, "info snapshots").contains("\r\none "));
    assert_eq!(hmp(&mut line, "loadvm one"), "");
    assert_eq!(state(&mut line), "running");
    ok(&mut line, "stop", json!({}));
    assert_eq!(hmp(&mut line, "loadvm one"), "");
    assert_eq!(state(&mut line), "paused");
    // One that is damaged changes nothing.
    let mut bytes = std::fs::read(rig.path("one.emusnap")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(rig.path("bad.emusnap"), bytes).unwrap();
    assert!(hmp(&mut line, "loadvm bad").starts_with("Error: Snapshot 'bad': "));
    assert_eq!(state(&mut line), "paused");
    ok(&mut line, "cont", json!({}));
    assert_eq!(hmp(&mut line, "savevm ../x"), hmp(&mut line, "delvm ../x"));
    // The same as jobs.
    let job =
        |id: &str, tag: &str| json!({ "job-id": id, "tag": tag, "vmstate": "x", "devices": [] });
    for (id, name, tag, error) in [
        ("a", "snapshot-save", "two", None),
        (
            "b",
            "snapshot-save",
            "two",
            Some("Snapshot 'two' already exists"),
        ),
        ("c", "snapshot-load", "two", None),
        (
            "d",
            "snapshot-load",
            "three",
            Some("Snapshot 'three' does not exist"),
        ),
    ] {
        ok(&mut line, name, job(id, tag));
        let until = Instant::now() + LIMIT;
        let ended = loop {
            let jobs = ok(&mut line, "query-jobs", json!({}));
            let ours = jobs.as_array().unwrap().iter().find(|job| job["id"] == id);
            let ours = ours.unwrap().clone();
            if ours["status"] == "concluded" {
                break ours;
            }
            assert!(Instant::now() < until, "{jobs}");
        };
        assert_eq!(ended.get("error").and_then(Value::as_str), error, "{ended}");
        ok(&mut line, "job-dismiss", json!({ "id": id }));
    }
    assert_eq!(hmp(&mut line, "delvm two"), "");
    assert!(!rig.path("two.emusnap").exists());
    ok(&mut line, "quit", json!({}));
    let folder = rig.path("");
    assert_eq!(rig.end(), Ok(0));

    // Another program starts with it.
    let dir = folder.to_str().unwrap().to_owned();
    let mut later = Rig::usual(&["-snapshot-dir", &dir, "-loadvm", "one"]);
    let mut line = later.qmp("qmp");
    migration(&mut line, "completed");
    assert_eq!(state(&mut line), "running");
    ok(&mut line, "quit", json!({}));
    assert_eq!(later.end(), Ok(0));
    let mut none = Rig::usual(&["-snapshot-dir", &dir, "-loadvm", "three"]);
    assert_eq!(
        none.end(),
        Err("-loadvm three: Snapshot 'three' does not exist".into())
    );
}
