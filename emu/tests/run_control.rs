//! Run states, events and their order, seen by QMP clients; QMP itself, byte by byte.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::thread;

use common::rig::Rig;
use serde_json::{Value, json};

fn status(line: &mut common::rig::Line) -> String {
    let (_, answer) = line.execute("query-status");
    assert_eq!(
        answer["return"]["running"],
        json!(answer["return"]["status"] == "running")
    );
    answer["return"]["status"].as_str().unwrap().to_owned()
}

fn desc(answer: &Value) -> &str {
    answer["error"]["desc"].as_str().unwrap()
}

#[test]
fn a_conversation_byte_by_byte() {
    let mut rig = Rig::usual(&[
        "-S",
        "-name",
        "vm é",
        "-uuid",
        "550e8400-e29b-41d4-a716-446655440000",
    ]);
    let mut line = rig.connect("qmp");
    let package = concat!("emu ", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        line.read_until("\r\n"),
        format!(
            "{{\"QMP\": {{\"version\": {{\"qemu\": {{\"micro\": 0, \"minor\": 0, \"major\": 10}}, \
             \"package\": \"{package}\"}}, \"capabilities\": []}}}}\r\n"
        )
    );
    let error = |class: &str, text: &str| {
        format!("{{\"error\": {{\"class\": \"{class}\", \"desc\": \"{text}\"}}}}")
    };
    let generic = |text: &str| error("GenericError", text);
    let missing = |text: &str| error("CommandNotFound", text);
    for (text, answer) in [
        (r#"{"execute":"stop"}"#, missing("Expecting capabilities negotiation with 'qmp_capabilities'")),
        (r#"{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}"#, generic("Capability oob not available")),
        (r#"{ "execute": "qmp_capabilities" }"#, r#"{"return": {}}"#.into()),
        (r#"{"execute":"qmp_capabilities"}"#, missing("Capabilities negotiation is already complete, command ignored")),
        (r#"{"execute":"query-status"}"#, r#"{"return": {"status": "prelaunch", "singlestep": false, "running": false}}"#.into()),
        (r#"{"execute":"stop","id":7}"#, r#"{"return": {}, "id": 7}"#.into()),
        (r#"{"execute":"stop","id":{"a":[1,2.5,"é"]}}"#, r#"{"return": {}, "id": {"a": [1, 2.5, "\u00E9"]}}"#.into()),
        (r#"{'execute':'query-name'}"#, r#"{"return": {"name": "vm \u00E9"}}"#.into()),
        (r#"{"execute":"query-uuid"}"#, r#"{"return": {"UUID": "550e8400-e29b-41d4-a716-446655440000"}}"#.into()),
        (r#"{"execute":"query-target"}"#, r#"{"return": {"arch": "s390x"}}"#.into()),
        (r#"{"execute":"query-version"}"#, format!(r#"{{"return": {{"qemu": {{"micro": 0, "minor": 0, "major": 10}}, "package": "{package}"}}}}"#)),
        (r#"{"execute":"cont","arguments":{"x":1}}"#, generic("Parameter 'x' is unexpected")),
        (r#"{"execute":"cont","arguments":[]}"#, generic("QMP input member 'arguments' must be an object")),
        (r#"{"execute":"cont","arguments":null}"#, generic("QMP input member 'arguments' must be an object")),
        (r#"{"execute":"human-monitor-command"}"#, generic("Parameter 'command-line' is missing")),
        (r#"{"execute":"human-monitor-command","arguments":{"command-line":5}}"#, generic("Invalid parameter type for 'command-line', expected: string")),
        (r#"{"execute":"human-monitor-command","arguments":{"command-line":"info cpus","cpu-index":5}}"#, generic("Parameter 'cpu-index' expects a CPU number")),
        (r#"{"execute":"human-monitor-command","arguments":{"command-line":"info status"}}"#, r#"{"return": "VM status: paused (prelaunch)\r\n"}"#.into()),
        (r#"{"execute":"human-monitor-command","arguments":{"command-line":"foo"}}"#, r#"{"return": "unknown command: 'foo'\r\n"}"#.into()),
        (r#"{"execute":"human-monitor-command","arguments":{"command-line":""}}"#, r#"{"return": ""}"#.into()),
        (r#"{"execute":"blockdev-add"}"#, missing("The command blockdev-add has not been found")),
        (r#"{"execute":"x-clock-push","arguments":{"ns":1}}"#, missing("The command x-clock-push has not been found")),
        (r#"{"exec":"nope"}"#, generic("QMP input member 'exec' is unexpected")),
        (r#"{"execute":5}"#, generic("QMP input member 'execute' must be a string")),
        (r#"{"id":1}"#, r#"{"error": {"class": "GenericError", "desc": "QMP input lacks member 'execute'"}, "id": 1}"#.into()),
        ("[1]", generic("QMP input must be a JSON object")),
        ("\"x\"", generic("QMP input must be a JSON object")),
        (r#"{"a"}"#, generic("JSON parse error, missing : in object pair")),
        ("tru ", generic("JSON parse error, invalid keyword 'tru'")),
        (r#"{"execute":"query-kvm"}{"execute":"nope"}"#, String::new()),
    ] {
        line.send(text);
        if answer.is_empty() {
            assert!(line.read_line().starts_with(r#"{"return": {"enabled": false, "present": "#));
            assert_eq!(line.read_line(), missing("The command nope has not been found"));
        } else {
            assert_eq!(line.read_line(), answer, "{text}");
        }
    }
    let (_, answer) = line.execute("quit");
    assert_eq!(answer, json!({"return": {}}));
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn stop_and_cont_tell_before_they_answer_and_repeated_ones_tell_nothing() {
    let mut rig = Rig::usual(&["-smp", "4"]);
    let mut line = rig.qmp("qmp");
    assert_eq!(status(&mut line), "running");
    for _ in 0..3 {
        let (events, answer) = line.execute("stop");
        assert_eq!(events, ["CLOCK_STOPPED", "STOP"]);
        assert_eq!(answer, json!({"return": {}}));
        assert_eq!(status(&mut line), "paused");
        assert_eq!(line.execute("stop"), (vec![], json!({"return": {}})));
        assert_eq!(line.execute("cont").0, ["CLOCK_STARTED", "RESUME"]);
        assert_eq!(line.execute("cont"), (vec![], json!({"return": {}})));
        assert_eq!(status(&mut line), "running");
    }
    assert_eq!(line.execute("quit").0, ["SHUTDOWN"]);
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn a_reset_goes_on_when_it_ran_and_stands_when_it_stood() {
    let mut rig = Rig::usual(&[]);
    let mut line = rig.qmp("qmp");
    assert_eq!(line.execute("system_reset").0, ["RESET"]);
    assert_eq!(status(&mut line), "running");
    line.execute("stop");
    assert_eq!(line.execute("system_reset").0, ["RESET"]);
    assert_eq!(status(&mut line), "prelaunch");
    assert_eq!(line.execute("cont").0, ["CLOCK_STARTED", "RESUME"]);
    // The guest's own resets.
    let mut console = rig.connect("con");
    console.send("reboot\n");
    let event = line.event();
    assert_eq!(event["event"], "RESET");
    assert_eq!(
        event["data"],
        json!({"guest": true, "reason": "guest-reset"})
    );
    console.send("reboot-kept\nhello\n");
    console.read_until("got: hello\n");
    assert_eq!(line.execute("query-status").0, Vec::<String>::new());
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn no_reboot_ends_at_a_reset() {
    let mut rig = Rig::usual(&["-no-reboot"]);
    let mut line = rig.qmp("qmp");
    rig.connect("con").send("reboot\n");
    let event = line.event();
    assert_eq!(event["event"], "SHUTDOWN");
    assert_eq!(
        event["data"],
        json!({"guest": true, "reason": "guest-reset"})
    );
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn a_guests_shutdown_ends_the_program_or_stops_it() {
    let mut rig = Rig::usual(&[]);
    let mut line = rig.qmp("qmp");
    rig.connect("con").send("poweroff\n");
    let event = line.event();
    assert_eq!(event["event"], "SHUTDOWN");
    assert_eq!(
        event["data"],
        json!({"guest": true, "reason": "guest-shutdown"})
    );
    assert_eq!(rig.end(), Ok(0));

    let mut rig = Rig::usual(&["-no-shutdown"]);
    let mut line = rig.qmp("qmp");
    rig.connect("con").send("poweroff\n");
    let told: Vec<_> = (0..3).map(|_| line.event()["event"].clone()).collect();
    assert_eq!(told, ["SHUTDOWN", "CLOCK_STOPPED", "STOP"]);
    assert_eq!(status(&mut line), "shutdown");
    assert_eq!(line.execute("stop"), (vec![], json!({"return": {}})));
    assert_eq!(status(&mut line), "shutdown");
    assert_eq!(
        desc(&line.execute("cont").1),
        "Resetting the Virtual Machine is required"
    );
    let hmp = r#"{"execute":"human-monitor-command","arguments":{"command-line":"cont"}}"#;
    assert_eq!(
        line.command(hmp).1["return"],
        "Error: Resetting the Virtual Machine is required\r\n"
    );
    line.execute("system_reset");
    assert_eq!(status(&mut line), "prelaunch");
    assert_eq!(line.execute("cont").1, json!({"return": {}}));
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn a_crash_is_told_and_dealt_with_as_action_says() {
    let info = json!({
        "type": "s390", "core": 0, "psw-mask": 0x0002_0001_8000_0000_u64, "psw-addr": 0xdead,
        "reason": "disabled-wait",
    });
    for (arguments, action, after, status_code) in [
        (&[][..], "poweroff", Some("SHUTDOWN"), Some(0)),
        (
            &["-action", "panic=exit-failure"],
            "poweroff",
            Some("SHUTDOWN"),
            Some(1),
        ),
        (
            &["-action", "panic=pause"],
            "pause",
            Some("CLOCK_STOPPED"),
            None,
        ),
        (&["-no-shutdown"], "pause", Some("CLOCK_STOPPED"), None),
        (&["-action", "panic=none"], "run", None, None),
    ] {
        let mut rig = Rig::usual(arguments);
        let mut line = rig.qmp("qmp");
        rig.connect("con").send("crash\n");
        let event = line.event();
        assert_eq!(event["event"], "GUEST_PANICKED");
        assert_eq!(
            event["data"],
            json!({"action": action, "info": info}),
            "{arguments:?}"
        );
        if let Some(name) = after {
            let event = line.event();
            assert_eq!(event["event"], name, "{arguments:?}");
            if name == "SHUTDOWN" {
                assert_eq!(
                    event["data"],
                    json!({"guest": true, "reason": "guest-panic"})
                );
            }
        }
        if status_code.is_none() {
            let state = if after.is_some() {
                assert_eq!(line.event()["event"], "STOP");
                "guest-panicked"
            } else {
                "running"
            };
            assert_eq!(status(&mut line), state);
            // QEMU lets a crashed guest run on if asked to.
            assert_eq!(line.execute("cont").1, json!({"return": {}}));
            assert_eq!(status(&mut line), "running");
            line.execute("quit");
        }
        assert_eq!(rig.end(), Ok(status_code.unwrap_or(0)), "{arguments:?}");
    }
}

#[test]
fn an_internal_error_stops_the_vm_until_a_reset() {
    let mut rig = Rig::usual(&[]);
    let mut line = rig.qmp("qmp");
    rig.connect("con").send("fail\n");
    assert_eq!(line.event()["event"], "CLOCK_STOPPED");
    assert_eq!(line.event()["event"], "STOP");
    assert_eq!(status(&mut line), "internal-error");
    assert_eq!(
        desc(&line.execute("cont").1),
        "Resetting the Virtual Machine is required"
    );
    line.execute("system_reset");
    assert_eq!(line.execute("cont").1, json!({"return": {}}));
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn powerdown_is_told_and_passed_on() {
    let mut rig = Rig::usual(&[]);
    let mut line = rig.qmp("qmp");
    let mut console = rig.connect("con");
    console.send("here\n");
    console.read_until("got: here\n");
    assert_eq!(line.execute("system_powerdown").0, ["POWERDOWN"]);
    console.read_until("powerdown\n");
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn clocks_are_shown_and_their_failures_are_survived() {
    let mut rig = Rig::usual(&["-hostclock", "test"]);
    let mut line = rig.qmp("qmp");
    let mut events = rig.qmp("qmp2");
    line.execute("stop");
    let stopped = line.execute("query-clock").1["return"].clone();
    let clock = &stopped["clocks"][0];
    assert_eq!(clock["name"], "tod");
    assert_eq!(clock["state"], "stopped");
    assert_eq!(clock["policy"], "freeze");
    assert_eq!(clock["failures"], 0);
    assert!(clock["error-ns"].is_u64() && clock["gap-ns"].is_i64());
    // Two minutes on the host, none in the guest.
    line.command(r#"{"execute":"x-clock-push","arguments":{"ns":120000000000}}"#);
    let later = line.execute("query-clock").1["return"].clone();
    assert_eq!(later["clocks"][0]["guest"], clock["guest"]);
    assert_eq!(later["timeline-ns"], stopped["timeline-ns"]);
    assert!(later["clocks"][0]["gap-ns"].as_i64().unwrap() >= 120_000_000_000);
    line.execute("cont");
    // A capture that fails: the clock runs free, the VM goes on, and it is told.
    for point in ["capture", "install"] {
        let arm = json!({"execute": "x-clock-fail", "arguments": {"clock": "tod", "point": point}});
        assert_eq!(line.command(&arm.to_string()).1, json!({"return": {}}));
        let told = [line.execute("stop").0, line.execute("cont").0].concat();
        assert!(told.contains(&"CLOCK_FALLBACK".into()), "{point}: {told:?}");
        assert_eq!(status(&mut line), "running");
    }
    let ledger = line.execute("query-ledger").1["return"].clone();
    assert_eq!(ledger["verified"], true, "{ledger}");
    let fallbacks = ledger["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["event"].get("fallback").is_some())
        .count();
    assert_eq!(fallbacks, 2, "{ledger}");
    let hmp = r#"{"execute":"human-monitor-command","arguments":{"command-line":"info clock"}}"#;
    let shown = line.command(hmp).1["return"].as_str().unwrap().to_owned();
    for part in [
        "VM timeline: ",
        "clock tod: ",
        "policy    freeze",
        "failures  2",
        "adds up",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for (bad, message) in [
        (
            r#"{"clock":"sun","point":"capture"}"#,
            "there is no clock named 'sun'; the clocks are: tod",
        ),
        (
            r#"{"clock":"tod","point":"noon"}"#,
            "Parameter 'point' does not accept value 'noon'",
        ),
        (
            r#"{"clock":"tod","point":"capture","count":-1}"#,
            "Parameter 'count' expects a count of failures",
        ),
    ] {
        let (_, answer) = line.command(&format!(
            r#"{{"execute":"x-clock-fail","arguments":{bad}}}"#
        ));
        assert_eq!(desc(&answer), message);
    }
    // The other monitor has seen the same.
    let names: Vec<String> = std::iter::repeat_with(|| events.event()["event"].to_string())
        .take_while(|name| name != "\"CLOCK_FALLBACK\"")
        .collect();
    assert_eq!(names[..2], ["\"CLOCK_STOPPED\"", "\"STOP\""]);
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn many_clients_one_after_another_each_with_a_fresh_start() {
    let mut rig = Rig::usual(&["-S"]);
    for round in 0..50 {
        let mut line = rig.connect("qmp");
        line.send("{ \"execute\": \"qmp_capabilities\" }{ \"execute\": \"query-status\" }\n");
        line.stream.shutdown(std::net::Shutdown::Write).unwrap();
        let text = line.read_rest();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "round {round}: {text}");
        assert!(lines[0].starts_with("{\"QMP\""));
        assert_eq!(lines[1], "{\"return\": {}}");
        assert!(lines[2].contains("prelaunch"));
    }
    rig.qmp("qmp").execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn several_monitors_at_once_agree() {
    let mut rig = Rig::usual(&["-smp", "2"]);
    let mut watcher = rig.qmp("qmp2");
    let mut human = rig.connect("hmp");
    let mut line = rig.qmp("qmp");
    let worker = thread::spawn(move || {
        for _ in 0..200 {
            line.execute("stop");
            line.execute("cont");
        }
        line
    });
    human.read_until("(qemu) ");
    for _ in 0..50 {
        human.send("stop\ninfo status\ncont\n");
        for _ in 0..3 {
            human.read_until("(qemu) ");
        }
    }
    let mut line = worker.join().unwrap();
    line.execute("cont");
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
    // Whoever watched has seen STOP and RESUME in turns.
    let told: Vec<String> = watcher
        .read_rest()
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["event"]
                .as_str()
                .unwrap()
                .into()
        })
        .filter(|name: &String| name == "STOP" || name == "RESUME")
        .collect();
    assert!(told.len() >= 100, "{}", told.len());
    let first = told.iter().position(|name| name == "STOP").unwrap();
    for (index, name) in told[first..].iter().enumerate() {
        assert_eq!(name, ["STOP", "RESUME"][index % 2], "{index}");
    }
}

#[test]
fn sockets_are_private_and_gone_afterwards() {
    let mut rig = Rig::usual(&[]);
    let mut line = rig.qmp("qmp");
    for name in ["qmp", "qmp2", "hmp", "con"] {
        let mode = std::fs::metadata(rig.path(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn a_console_that_nobody_reads_does_not_hold_up_a_stop_and_loses_nothing() {
    let mut rig = Rig::usual(&[]);
    let mut console = rig.connect("con");
    console.send("flood\n");
    let mut line = rig.qmp("qmp");
    for _ in 0..20 {
        line.execute("stop");
        assert_eq!(status(&mut line), "paused");
        line.execute("cont");
    }
    let text = console.read_until("\nflooded\n");
    assert_eq!(text.matches('f').count(), common::fake::FLOOD_BYTES + 1);
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn input_waits_until_the_guest_takes_it() {
    let mut rig = Rig::usual(&["-S"]);
    let mut console = rig.connect("con");
    let typed: String = (0..2000).map(|n| format!("line {n}\n")).collect();
    console.send(&typed);
    let mut line = rig.qmp("qmp");
    line.execute("cont");
    for n in 0..2000 {
        assert_eq!(console.read_line(), format!("got: line {n}"));
    }
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn what_cannot_be_opened_is_one_line() {
    for (arguments, message) in [
        (
            &["-kernel", "@/none"][..],
            "-kernel: could not load kernel '@/none': No such file or directory (os error 2)",
        ),
        (
            &["-serial", "file:@/a/b"],
            "-serial file:@/a/b: could not open '@/a/b': No such file or directory (os error 2)",
        ),
        (
            &["-serial", "pipe:@/p"],
            "-serial pipe:@/p: could not open '@/p': No such file or directory (os error 2)",
        ),
        (
            &["-qmp", "unix:@/none"],
            "-qmp unix:@/none: could not connect to unix:@/none: No such file or directory (os error 2)",
        ),
        (
            &["-qmp", "unix:@/a/b,server=on"],
            "-qmp unix:@/a/b,server=on: could not listen on unix:@/a/b: No such file or directory (os error 2)",
        ),
        (
            &["-D", "@/a/b"],
            "-D @/a/b: could not open the log file: No such file or directory (os error 2)",
        ),
        (
            &["-pidfile", "@/a/b"],
            "-pidfile @/a/b: cannot create PID file: No such file or directory (os error 2)",
        ),
    ] {
        let words = [&["-display", "none", "-monitor", "none"], arguments].concat();
        let mut rig = Rig::start(&words);
        let message = message.replace('@', rig.folder.path().to_str().unwrap());
        assert_eq!(rig.end(), Err(message));
    }
}

#[test]
fn pipes_files_and_clients() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["p.in", "p.out"] {
        rustix::fs::mkfifoat(rustix::fs::CWD, path(name), rustix::fs::Mode::RWXU).unwrap();
    }
    let listener = std::os::unix::net::UnixListener::bind(path("sock")).unwrap();
    let mut rig = Rig::start(&[
        "-display",
        "none",
        "-S",
        "-chardev",
        &format!("pipe,id=mon,path={}", path("p").display()),
        "-mon",
        "mon,mode=control",
        "-serial",
        &format!("file:{}", path("out").display()),
        "-qmp",
        &format!("unix:{}", path("sock").display()),
    ]);
    // A writer that comes and goes, as a shell's echo.
    std::fs::write(
        path("p.in"),
        r#"{"execute":"qmp_capabilities"}{"execute":"cont"}"#,
    )
    .unwrap();
    let output = std::fs::File::open(path("p.out")).unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(output));
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().starts_with("{\"QMP\""));
    assert_eq!(next(), "{\"return\": {}}");
    assert!(next().contains("\"event\": \"RESUME\""));
    assert_eq!(next(), "{\"return\": {}}");
    std::fs::write(path("p.in"), r#"{"execute":"system_powerdown"}"#).unwrap();
    assert!(next().contains("POWERDOWN"));
    // The socket client speaks the same.
    let (stream, _) = listener.accept().unwrap();
    let mut reader = std::io::BufReader::new(stream);
    let mut greeting = String::new();
    std::io::BufRead::read_line(&mut reader, &mut greeting).unwrap();
    assert!(greeting.starts_with("{\"QMP\""));
    std::fs::write(path("p.in"), r#"{"execute":"quit"}"#).unwrap();
    assert_eq!(rig.end(), Ok(0));
    assert_eq!(std::fs::read_to_string(path("out")).unwrap(), "powerdown\n");
}
