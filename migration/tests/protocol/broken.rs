//! Peers whose bytes are sound and whose words are not: each section's checksum is right, but it
//! comes at the wrong time, means nothing, or was never written by a program like this one.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;

use migration::params::Value;
use migration::progress::Status;
use migration::snapshot;
use migration::stream::{Header, Item, Purpose, Reader, Writer};
use proptest::prelude::*;
use tod::RunState;

use crate::pair::{Options, Pair, join};

/// A section: name, instance, version, payload. The name "end" ends the stream.
type Section = (String, u32, u32, Vec<u8>);

/// The stream of a source, taken apart.
fn taken_apart(bytes: &[u8]) -> (Header, Vec<Section>) {
    let (mut reader, header) = Reader::begin(bytes).unwrap();
    let mut sections = Vec::new();
    loop {
        let section = match reader.next(|_| Some(1 << 24)) {
            Ok(Item::Section(section)) => (
                section.name.to_owned(),
                section.instance,
                section.version,
                section.payload.to_vec(),
            ),
            Ok(Item::End) => ("end".to_owned(), 0, 1, Vec::new()),
            Err(_) => return (header, sections),
        };
        sections.push(section);
    }
}

/// And put together again, with checksums that are right.
fn put_together(header: &Header, sections: &[Section]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), header).unwrap();
    for (name, instance, version, payload) in sections {
        if name == "end" {
            writer.end().unwrap();
        } else {
            writer.section(name, *instance, *version, payload).unwrap();
        }
    }
    writer.into_inner()
}

fn saved(pair: &Pair) -> (Header, Vec<Section>) {
    let mut bytes = Vec::new();
    snapshot::save(&*pair.source, &pair.settings, &mut bytes).unwrap();
    taken_apart(&bytes)
}

/// What the destination says of a snapshot whose sections were changed.
fn said(change: impl FnOnce(&mut Vec<Section>)) -> String {
    let pair = Pair::new(&Options::default());
    let (header, mut sections) = saved(&pair);
    change(&mut sections);
    let bytes = put_together(&header, &sections);
    let looked_at = snapshot::verify(&*pair.destination, &bytes[..]);
    let loaded = snapshot::load(&*pair.destination, &bytes[..]);
    let error = loaded.unwrap_err().to_string();
    assert_eq!(looked_at.unwrap_err().to_string(), error);
    error
}

fn at(sections: &[Section], name: &str) -> usize {
    sections.iter().position(|one| one.0 == name).unwrap()
}

#[test]
fn sections_out_of_place_are_called_by_name() {
    let moved = |from: &'static str, to: &'static str| {
        said(move |sections| {
            let section = sections.remove(at(sections, from));
            sections.insert(at(sections, to), section);
        })
    };
    assert!(
        moved("ram", "clocks").contains("'ram'"),
        "RAM after the state"
    );
    assert!(moved("cpu", "ram").contains("section 'state' comes first"));
    assert!(moved("clocks", "state").contains("the machine's state comes before the clocks"));
    assert!(moved("state", "clocks").contains("section 'state' comes first"));
    assert!(moved("clocks", "console").contains("nothing follows the clocks but the end"));
    for name in ["go", "loaded", "started", "pong"] {
        let error = said(|sections| {
            let place = at(sections, "state");
            sections.insert(place, (name.to_owned(), 0, 1, Vec::new()));
        });
        assert!(error.contains(&format!("section '{name}'")), "{error}");
    }
}

#[test]
fn sections_that_are_missing_doubled_or_of_another_version_are_called_by_name() {
    for name in ["state", "cpu", "console", "clocks"] {
        let error = said(|sections| {
            sections.remove(at(sections, name));
        });
        assert!(error.contains(&format!("section '{name}'")), "{error}");
    }
    for name in ["state", "cpu", "console"] {
        let error = said(|sections| {
            let section = sections[at(sections, name)].clone();
            let place = at(sections, "clocks");
            sections.insert(place, section);
        });
        assert!(error.contains(&format!("section '{name}'")), "{error}");
        assert!(error.contains("second time"), "{error}");
    }
    for name in ["ram", "pass", "state", "clocks"] {
        let error = said(|sections| {
            let place = at(sections, name);
            sections[place].2 = 2;
        });
        assert!(error.contains(&format!("section '{name}'")), "{error}");
        assert!(
            error.contains("has version 2, this program knows 1"),
            "{error}"
        );
    }
    let error = said(|sections| {
        let place = at(sections, "state");
        sections[place].3 = migration::encode(&"dancing").unwrap();
    });
    assert!(error.contains("it names no run state"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Bytes that checksums cannot find: what is loaded in spite of them can be started.
    #[test]
    fn no_payload_makes_a_destination_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let pair = Pair::new(&Options::default());
        pair.source.cont();
        pair.source.pause();
        let (header, mut sections) = saved(&pair);
        // The clocks are the largest and the most delicate: half of the cases are theirs.
        let place = if changes[0].1 & 1 == 0 {
            at(&sections, "clocks")
        } else {
            which.index(sections.len())
        };
        let payload = &mut sections[place].3;
        for (index, byte) in changes {
            if !payload.is_empty() {
                let at = index.index(payload.len());
                payload[at] = byte;
            }
        }
        if let Some(cut) = cut {
            let length = cut.index(payload.len() + 1);
            payload.truncate(length);
        }
        let bytes = put_together(&header, &sections);
        let _ = snapshot::verify(&*pair.destination, &bytes[..]);
        if snapshot::load(&*pair.destination, &bytes[..]).is_ok() {
            pair.destination.cont();
            pair.destination.pause();
            let _ = saved(&pair);
        }
    }

    /// Any sections in any order.
    #[test]
    fn no_order_makes_a_destination_panic_or_take_half_a_guest(
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let pair = Pair::new(&Options::default());
        let (header, sections) = saved(&pair);
        let picked: Vec<_> = picks.iter().map(|pick| pick.get(&sections).clone()).collect();
        let bytes = put_together(&header, &picked);
        if snapshot::load(&*pair.destination, &bytes[..]).is_ok() {
            prop_assert_eq!(pair.source.parts(), pair.destination.parts());
        }
    }
}

/// A destination that answers pings and then says this.
fn strange_destination(
    pair: &Pair,
    say: impl Fn(&str, &mut Writer<UnixStream>) -> bool + Send + 'static,
) -> JoinHandle<()> {
    let listener = UnixListener::bind(pair.path("strange")).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut replies = Writer::replies(stream.try_clone().unwrap());
        let Ok((mut reader, _)) = Reader::begin(stream) else {
            return;
        };
        loop {
            let (name, number) = match reader.next(|_| Some(1 << 24)) {
                Ok(Item::Section(section)) => (section.name.to_owned(), section.payload.to_vec()),
                Ok(Item::End) => ("end".to_owned(), Vec::new()),
                Err(_) => return,
            };
            if say(&name, &mut replies) {
                continue;
            }
            if name == "ping" {
                // No time stamps.
                let pong = [&number[..], &[0, 0]].concat();
                if replies.section("pong", 0, 1, &pong).is_err() {
                    return;
                }
            }
        }
    })
}

/// What the source says of such a destination. Its guest runs on, unless it was handed over.
fn source_says(
    expected: Status,
    say: impl Fn(&str, &mut Writer<UnixStream>) -> bool + Send + 'static,
) -> String {
    source_says_within(10_000, expected, say)
}

/// The same with a time-out in milliseconds.
fn source_says_within(
    stall: u64,
    expected: Status,
    say: impl Fn(&str, &mut Writer<UnixStream>) -> bool + Send + 'static,
) -> String {
    let pair = Pair::new(&Options::default());
    pair.settings
        .change_parameters(|parameters| parameters.set("x-stall-timeout", Value::Number(stall)))
        .unwrap();
    let destination = strange_destination(&pair, say);
    pair.source.cont();
    let sending = pair.send("strange");
    pair.finish(sending);
    join(destination);
    let report = pair.outgoing.report().unwrap();
    assert_eq!(report.status, expected, "{report:?}");
    let state = match expected {
        Status::Completed => RunState::Postmigrate,
        _ => RunState::Running,
    };
    assert_eq!(pair.source.state(), state);
    report.error_desc.or(report.x_warning).unwrap()
}

/// Says this when that comes.
fn when(
    cue: &'static str,
    name: &'static str,
    payload: Vec<u8>,
) -> impl Fn(&str, &mut Writer<UnixStream>) -> bool {
    move |came, replies| {
        if came != cue {
            return false;
        }
        let _ = match name {
            "end" => replies.end(),
            name => replies.section(name, 0, 1, &payload),
        };
        true
    }
}

#[test]
fn a_destination_that_speaks_out_of_turn_does_not_get_the_guest() {
    let says = |cue, name| source_says(Status::Failed, when(cue, name, Vec::new()));
    assert_eq!(
        says("ping", "loaded"),
        "the destination says 'loaded' in answer to a ping"
    );
    assert!(says("ram", "loaded").contains("the destination says 'loaded'"));
    assert!(says("ram", "boo").contains("section 'boo'"));
    assert!(says("ram", "failed").contains("section 'failed'"));
    assert!(says("end", "end").contains("replies have no end"));
    assert!(says("end", "pong").contains("section 'pong'"));
    let started = [0, 0, 1, 0, 0, 0].to_vec();
    let says = source_says(Status::Failed, when("end", "started", started));
    assert_eq!(
        says,
        "the destination says 'started' before it has loaded everything"
    );
    let pong = [7, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let says = source_says(Status::Failed, when("ping", "pong", pong));
    assert_eq!(says, "the destination says 'pong' in answer to a ping");
}

#[test]
fn a_destination_that_never_answers_is_given_up_after_the_time_out() {
    for cue in ["ping", "end"] {
        let says = source_says_within(100, Status::Failed, move |came, _| came == cue);
        assert!(
            says.contains("no byte moved on the channel for 100 ms"),
            "{says}"
        );
    }
}

#[test]
fn a_destination_that_takes_the_guest_and_then_talks_nonsense_keeps_it() {
    let says = source_says(Status::Completed, |came, replies| {
        let name = match came {
            "end" => "loaded",
            "go" => "loaded",
            _ => return false,
        };
        replies.section(name, 0, 1, &[]).unwrap();
        true
    });
    assert!(says.contains("did not confirm that it runs"), "{says}");
    assert!(says.contains("the destination says 'loaded'"), "{says}");
}

#[test]
fn nobody_accepts_and_the_user_cancels() {
    let pair = Pair::new(&Options::default());
    let listener = UnixListener::bind(pair.path("deaf")).unwrap();
    pair.source.cont();
    let sending = pair.send("deaf");
    assert!(sending.cancel());
    pair.finish(sending);
    assert_eq!(pair.outgoing.status(), Some(Status::Cancelled));
    assert_eq!(pair.source.state(), RunState::Running);
    drop(listener);
}

/// What a destination says to a source that writes these bytes and no more.
fn destination_says(bytes: &[u8]) -> String {
    let pair = Pair::new(&Options::default());
    let receiving = pair.receive("odd");
    let mut stream = UnixStream::connect(pair.path("odd")).unwrap();
    // It may hang up before it has read everything.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let error = join(receiving).unwrap_err().to_string();
    assert_eq!(pair.destination.state(), RunState::Prelaunch);
    error
}

#[test]
fn a_source_that_means_something_else() {
    let pair = Pair::new(&Options::default());
    let (header, sections) = saved(&pair);
    assert!(destination_says(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").contains("GET / HT"));
    let two_way = Header {
        two_way: true,
        ..header.clone()
    };
    let snapshot = put_together(&two_way, &sections);
    assert!(destination_says(&snapshot).contains("the stream is a snapshot"));
    let migration = Header {
        purpose: Purpose::Migration,
        ..two_way
    };
    // Everything, but no word to go.
    let whole = put_together(&migration, &sections);
    let says = destination_says(&whole);
    assert!(
        says.contains("the source did not hand the guest over"),
        "{says}"
    );
    // The word before its time.
    let mut early = sections.clone();
    early.insert(2, ("go".to_owned(), 0, 1, Vec::new()));
    let says = destination_says(&put_together(&migration, &early));
    assert!(says.contains("section 'go'"), "{says}");
    // Something else instead.
    let mut other = sections;
    other.push(("pass".to_owned(), 0, 1, Vec::new()));
    let says = destination_says(&put_together(&migration, &other));
    assert!(says.contains("the word to go should come"), "{says}");
}

/// A file sent into a socket: nobody waits for an answer, and nobody gets one.
#[test]
fn a_stream_without_answers_may_come_through_a_socket() {
    let pair = Pair::new(&Options::default());
    pair.source.cont();
    let (header, sections) = saved(&pair);
    let receiving = pair.receive("file");
    let mut stream = UnixStream::connect(pair.path("file")).unwrap();
    stream.write_all(&put_together(&header, &sections)).unwrap();
    pair.source.pause();
    join(receiving).unwrap();
    assert_eq!(pair.destination.state(), RunState::Running);
}

#[test]
fn parts_that_earlier_programs_did_not_have_may_be_missing() {
    let pair = Pair::new(&Options::default());
    let (header, sections) = saved(&pair);
    let bytes = put_together(&header, &sections);
    // "later" is one of those (see the destination's `optional_parts`), "other" is not.
    pair.destination.add_part("later", 0, 1, &[7]);
    snapshot::verify(&*pair.destination, &bytes[..]).unwrap();
    snapshot::load(&*pair.destination, &bytes[..]).unwrap();
    pair.destination.add_part("other", 0, 1, &[7]);
    let refused = snapshot::load(&*pair.destination, &bytes[..]).unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("other") && !refused.contains("later"),
        "{refused}"
    );
}
