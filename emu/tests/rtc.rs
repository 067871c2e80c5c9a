//! What monitors show and are told of a machine's real-time clock.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod common;

use common::rig::{Line, Rig};
use serde_json::{Value, json};

fn get(line: &mut Line, path: &str, property: &str) -> Value {
    let arguments = json!({ "path": path, "property": property });
    let command = json!({ "execute": "qom-get", "arguments": arguments });
    line.command(&command.to_string()).1
}

fn commands(line: &mut Line) -> String {
    line.execute("query-commands").1.to_string()
}

fn rtc_change(line: &mut Line) -> i64 {
    loop {
        let event = line.event();
        if event["event"] == "RTC_CHANGE" {
            assert_eq!(event["data"]["qom-path"], "/machine/rtc");
            return event["data"]["offset"].as_i64().unwrap();
        }
    }
}

#[test]
fn the_date_is_where_qemu_has_it() {
    let mut rig = Rig::usual(&["-machine", "pc"]);
    let mut line = rig.qmp("qmp");
    let date = json!({
        "tm_year": 126, "tm_mon": 10, "tm_mday": 22, "tm_hour": 9, "tm_min": 5, "tm_sec": 0,
    });
    assert_eq!(get(&mut line, "/machine", "rtc-time")["return"], date);
    assert_eq!(get(&mut line, "/machine/rtc", "date")["return"], date);
    assert_eq!(get(&mut line, "/machine", "rtc")["return"], "/machine/rtc");
    assert_eq!(get(&mut line, "/machine", "type")["return"], "pc-machine");
    assert_eq!(
        get(&mut line, "/machine", "moon")["error"],
        json!({ "class": "GenericError", "desc": "Property 'pc-machine.moon' not found" })
    );
    assert_eq!(
        get(&mut line, "/moon", "rtc-time")["error"],
        json!({ "class": "DeviceNotFound", "desc": "Device '/moon' not found" })
    );
    let list = r#"{"execute":"qom-list","arguments":{"path":"/machine"}}"#;
    assert_eq!(
        line.command(list).1["return"],
        json!([
            { "name": "type", "type": "string" },
            { "name": "rtc-time", "type": "struct tm" },
            { "name": "rtc", "type": "child<mc146818rtc>" },
        ])
    );
    let mut hmp = rig.connect("hmp");
    hmp.read_until("(qemu) ");
    hmp.send("qom-get /machine/rtc date\n");
    assert!(hmp.read_until("(qemu) ").contains("\"tm_year\": 126,"));
    hmp.send("qom-list\n");
    let text = hmp.read_until("(qemu) ");
    assert!(text.contains("machine (child<pc-machine>)"), "{text}");
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn changes_are_told_at_once_and_then_once_a_second() {
    let mut rig = Rig::usual(&["-machine", "pc"]);
    let mut line = rig.qmp("qmp");
    let mut console = rig.connect("con");
    console.send("rtc 10\n");
    assert_eq!(rtc_change(&mut line), 10);
    for offset in 11..=40 {
        console.send(&format!("rtc {offset}\n"));
    }
    // However slow the host is, what comes is later than what came, and the last does.
    let mut told = vec![10];
    while told.last() != Some(&40) {
        told.push(rtc_change(&mut line));
    }
    assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
    assert!(told.len() < 30, "{told:?}");
    assert_eq!(
        get(&mut line, "/machine", "rtc-time")["return"]["tm_sec"],
        40
    );
    assert!(commands(&mut line).contains("rtc-reset-reinjection"));
    line.execute("rtc-reset-reinjection");
    assert_eq!(
        get(&mut line, "/machine", "rtc-time")["return"]["tm_sec"],
        0
    );
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn the_last_change_is_told_before_the_end() {
    let mut rig = Rig::usual(&["-machine", "pc"]);
    let mut line = rig.qmp("qmp");
    let mut console = rig.connect("con");
    console.send("rtc 1\nrtc 2\nrtc 3\npoweroff\n");
    let mut told = Vec::new();
    loop {
        let event = line.event();
        match event["event"].as_str() {
            Some("RTC_CHANGE") => told.push(event["data"]["offset"].as_i64().unwrap()),
            Some("SHUTDOWN") => break,
            _ => {}
        }
    }
    assert_eq!(told.last(), Some(&3), "{told:?}");
    assert_eq!(rig.end(), Ok(0));
}

#[test]
fn a_machine_without_one_has_none_of_it() {
    let mut rig = Rig::usual(&[]);
    let mut line = rig.qmp("qmp");
    assert!(get(&mut line, "/machine", "rtc-time")["error"].is_object());
    assert!(get(&mut line, "/machine/rtc", "date")["error"].is_object());
    assert!(!commands(&mut line).contains("rtc-reset-reinjection"));
    let (_, answer) = line.execute("rtc-reset-reinjection");
    assert_eq!(answer["error"]["class"], "CommandNotFound");
    line.execute("quit");
    assert_eq!(rig.end(), Ok(0));
}
