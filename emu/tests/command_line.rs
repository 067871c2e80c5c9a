//! Tables of command lines: good ones and what they mean, bad ones and what is said of them.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod common;

use common::fake::TYPES;
use emu::cli::{
    ChardevKind, Invocation, Mode, MonitorFace, PanicAction, RebootAction, Settings,
    ShutdownAction, SocketAddress, parse,
};
use machine::{Accel, Engine, RtcBase};

fn words(line: &str) -> Vec<String> {
    ["emu"]
        .into_iter()
        .chain(line.split_whitespace())
        .map(str::to_owned)
        .collect()
}

fn good(line: &str) -> Settings {
    match parse(&words(line), TYPES) {
        Ok(Invocation::Run(settings)) => *settings,
        other => panic!("{line}: {other:?}"),
    }
}

fn bad(line: &str) -> String {
    match parse(&words(line), TYPES) {
        Err(error) => error.to_string(),
        other => panic!("{line}: {other:?}"),
    }
}

fn printed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    match parse(&words, TYPES) {
        Ok(Invocation::Print(text)) => text,
        other => panic!("{words:?}: {other:?}"),
    }
}

#[test]
fn a_test_that_drives_the_machine() {
    let settings = good(
        "-qtest unix:/tmp/q -qtest-log /dev/null -chardev socket,path=/tmp/m,id=char0 \
         -mon chardev=char0,mode=control -display none -audio none \
         -run-with exit-with-parent=on -rtc clock=vm -accel qtest",
    );
    assert!(settings.exit_with_parent);
    assert_eq!(settings.config.accel, Accel::Qtest);
    let qtest = settings.qtest.unwrap();
    assert_eq!(qtest.chardev, "qtest");
    assert_eq!(qtest.log.unwrap().to_str(), Some("/dev/null"));
    assert_eq!(settings.console, None);
    let settings = good("-chardev null,id=n -qtest chardev:n -qtest-log none -accel qtest");
    let qtest = settings.qtest.unwrap();
    assert_eq!((qtest.chardev.as_str(), qtest.log), ("n", None));
    assert_eq!(good("-accel qtest").qtest, None);
    for (line, text) in [
        (
            "-qtest unix:/tmp/q",
            "-qtest unix:/tmp/q: a test cannot move the time of a guest that runs, expected \
             -accel qtest with it",
        ),
        (
            "-qtest null -qtest stdio -accel qtest",
            "-qtest stdio: one test drives a machine, and '-qtest null' does",
        ),
        (
            "-run-with exit-with-parent=on -daemonize -serial null",
            "-daemonize: leaves the parent, cannot be used with -run-with exit-with-parent=on",
        ),
        (
            "-run-with chroot=/",
            "-run-with chroot=/: invalid parameter 'chroot', expected one of: exit-with-parent",
        ),
        (
            "-qtest chardev:x -accel qtest",
            "-qtest chardev:x: no chardev 'x', expected the id of a -chardev",
        ),
    ] {
        assert_eq!(bad(line), text);
    }
}

#[test]
fn the_unit_tests_command_line() {
    let settings = good(
        "-nodefaults -nographic -machine s390-ccw-virtio,accel=tcg -chardev stdio,id=con0 \
         -device sclpconsole,chardev=con0 -kernel F -smp 2 -smp 1,maxcpus=8 -append --opt \
         -m 1G -cpu qemu,vx=on -initrd I --uuid 0fb84a86-727c-11ea-bc55-0242ac130003 \
         --name vm,debug-threads=on",
    );
    assert_eq!(settings.console.as_deref(), Some("con0"));
    assert!(settings.monitors.is_empty());
    assert_eq!(settings.chardevs.len(), 1);
    assert_eq!(
        settings.chardevs[0].kind,
        ChardevKind::Stdio { signal: true }
    );
    let config = settings.config;
    assert_eq!((config.smp.cpus, config.smp.max_cpus), (1, 8));
    assert_eq!(config.boot.cmdline, "--opt");
    assert_eq!(config.boot.kernel.unwrap().to_str(), Some("F"));
    assert_eq!(config.ram_bytes, 1 << 30);
    assert_eq!(config.cpu.as_deref(), Some("qemu,vx=on"));
    assert_eq!(config.identity.name, "vm");
    assert_eq!(config.identity.uuid.unwrap()[..2], [0x0f, 0xb8]);
    assert_eq!(config.accel, Accel::Tcg(Engine::Default.into()));
}

#[test]
fn an_appended_text_is_taken_as_it_is() {
    let words: Vec<String> = [
        "emu",
        "-kernel",
        "k",
        "-append",
        "--a -b,c=d  e",
        "-append",
        "-S",
    ]
    .map(str::to_owned)
    .to_vec();
    let Ok(Invocation::Run(settings)) = parse(&words, TYPES) else {
        panic!()
    };
    assert_eq!(settings.config.boot.cmdline, "-S");
    assert!(!settings.start_stopped);
}

#[test]
fn consoles_and_monitors_where_none_are_named() {
    for line in ["-nographic", ""] {
        let settings = good(line);
        assert_eq!(settings.console.as_deref(), Some("serial0"), "{line}");
        assert_eq!(settings.monitors[0].chardev, "serial0");
        assert_eq!(settings.monitors[0].face, MonitorFace::Human);
        assert_eq!(
            settings.chardevs[0].kind,
            ChardevKind::Stdio { signal: false }
        );
        assert!(settings.chardevs[0].mux);
    }
    for line in ["-nographic -nodefaults", "-display none", "-daemonize"] {
        let settings = good(line);
        assert_eq!(settings.console, None, "{line}");
        assert!(settings.monitors.is_empty() && settings.chardevs.is_empty());
    }
    let settings = good("-nographic -monitor none");
    assert_eq!(settings.console.as_deref(), Some("serial0"));
    assert!(!settings.chardevs[0].mux && settings.monitors.is_empty());
    let settings = good("-nographic -serial null");
    assert_eq!(settings.monitors[0].chardev, "compat_monitor0");
    // Without -nographic the terminal is only used while it is free.
    assert!(good("-serial stdio").monitors.is_empty());
}

#[test]
fn sockets_in_both_spellings() {
    let kinds = |line: &str| good(line).chardevs.remove(0).kind;
    let unix = |kind: ChardevKind| match kind {
        ChardevKind::Socket(spec) => match spec.address {
            SocketAddress::Unix(path) => (path.display().to_string(), spec.mode),
            other @ SocketAddress::Tcp { .. } => (format!("{other:?}"), spec.mode),
        },
        other => panic!("{other:?}"),
    };
    let server = |wait| Mode::Server { wait };
    for (line, path, mode) in [
        (
            "-chardev socket,id=a,path=/p,server=on,wait=off",
            "/p",
            server(false),
        ),
        (
            "-chardev socket,id=a,path=/p,server,nowait",
            "/p",
            server(false),
        ),
        ("-chardev socket,id=a,path=/p,server", "/p", server(true)),
        ("-chardev socket,path=/p,id=a", "/p", Mode::Client),
        ("-serial unix:/p,server=on,wait=off", "/p", server(false)),
        ("-monitor unix:/p,server,nowait", "/p", server(false)),
        ("-qmp unix:/p", "/p", Mode::Client),
        (
            "-qmp tcp:localhost:444,server=on,wait=off",
            "Tcp { host: \"localhost\", port: 444 }",
            server(false),
        ),
        (
            "-qmp tcp:[::1]:0,server=on",
            "Tcp { host: \"::1\", port: 0 }",
            server(true),
        ),
        (
            "-qmp tcp::0,server=on",
            "Tcp { host: \"\", port: 0 }",
            server(true),
        ),
    ] {
        let line = format!("-display none {line}");
        assert_eq!(unix(kinds(&line)), (path.to_owned(), mode), "{line}");
    }
}

#[test]
fn the_architecture_follows_from_machine_or_the_programs_name() {
    let arch = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match parse(&words, TYPES) {
            Ok(Invocation::Run(settings)) => Ok(settings.kind.arch()),
            Err(e) => Err(e.to_string()),
            Ok(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(arch(&["emu"]), Ok("s390x"));
    assert_eq!(arch(&["/usr/bin/emu-system-x86_64"]), Ok("x86_64"));
    assert_eq!(arch(&["qemu-system-s390x"]), Ok("s390x"));
    assert_eq!(arch(&["emu-system-x86_64", "-M", "fake"]), Ok("s390x"));
    assert_eq!(
        arch(&["/a/emu-system-vax"]),
        Err(
            "/a/emu-system-vax: no machine of architecture 'vax', which the program's name asks \
             for; expected one of: s390x, x86_64"
                .into()
        )
    );
}

#[test]
fn of_several_accelerators_the_first_that_is_there_counts() {
    let accel = |line: &str| good(line).config.accel;
    let tcg = Accel::Tcg(Engine::Default.into());
    assert_eq!(accel(""), tcg);
    assert_eq!(accel("-accel kvm"), Accel::Kvm);
    assert_eq!(accel("-enable-kvm"), Accel::Kvm);
    // The machine of these tests has no KVM.
    assert_eq!(accel("-accel kvm:tcg"), tcg);
    assert_eq!(accel("-accel kvm -accel qtest -accel tcg"), Accel::Qtest);
    assert_eq!(accel("-machine pc,accel=kvm:hax:tcg"), tcg);
    assert_eq!(
        accel("-machine pc,accel=tcg -M pc,accel=qtest"),
        Accel::Qtest
    );
}

#[test]
fn what_is_not_there_may_be_switched_off() {
    good(
        "-machine pc,usb=off,vmport=off,kernel-irqchip=on,dump-guest-core=off -no-acpi -no-hpet \
         -nic none -boot strict=on -overcommit mem-lock=off -k en-us -serial null -serial none",
    );
}

#[test]
fn actions_add_up() {
    let actions =
        good("-no-reboot -action panic=exit-failure --watchdog-action inject-nmi").actions;
    assert_eq!(actions.reboot, RebootAction::Shutdown);
    assert_eq!(actions.panic, PanicAction::ExitFailure);
    let actions = good("-no-shutdown -no-reboot -action reboot=reset").actions;
    assert_eq!(actions.reboot, RebootAction::Reset);
    assert_eq!(actions.shutdown, ShutdownAction::Pause);
}

#[test]
fn clocks_and_logs() {
    let settings =
        good("-rtc base=2000-01-01,clock=vm,driftfix=none -d int,clock -D log -hostclock test");
    assert_eq!(
        settings.config.rtc.base,
        RtcBase::Date {
            unix_s: 946_684_800
        }
    );
    assert_eq!(settings.config.trace, ["int", "clock"]);
    assert_eq!(settings.log.file.unwrap().to_str(), Some("log"));
}

/// `-rtc base=localtime` with TZ=Asia/Tokyo was UTC once: zones were looked for by path only.
#[test]
fn local_time_knows_zones_by_name() {
    if !std::path::Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() {
        println!("SKIPPED: this machine has no /usr/share/zoneinfo");
        return;
    }
    let zone = jiff::tz::TimeZone::get("Asia/Tokyo").unwrap();
    let offset = zone.to_offset(jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(offset.seconds(), 9 * 3600);
}

#[test]
fn help_and_version_satisfy_those_who_split_them() {
    for words in [
        &["emu", "-h"][..],
        &["emu", "--help"],
        &["emu", "-version"],
        &["emu", "-S", "--version"],
    ] {
        let text = printed(words);
        let first = text.lines().next().unwrap();
        let fields: Vec<_> = first.split([' ', '.']).collect();
        assert_eq!(
            fields[..6],
            ["QEMU", "emulator", "version", "10", "0", "0"],
            "{first}"
        );
        assert!(
            first.contains("understood by emu") && first.contains("not QEMU"),
            "{first}"
        );
    }
    let help = printed(&["emu", "-help"]);
    for option in [
        "-machine ",
        "-hostclock linux|test",
        "x-clock-push {ns}",
        "x-clock-fail",
    ] {
        assert!(help.contains(option), "{option}");
    }
}

#[test]
fn lists() {
    assert!(printed(&["emu", "-machine", "help"]).contains("s390-ccw-virtio"));
    assert!(printed(&["emu", "-M", "pc", "-cpu", "help"]).contains("qemu"));
    let machines = printed(&["emu-system-x86_64", "-machine", "help"]);
    assert!(
        machines.contains("pc ") && !machines.contains("s390"),
        "{machines}"
    );
    assert!(printed(&["emu", "-accel", "help"]).contains("tcg"));
    let accels = printed(&["emu-system-x86_64", "-accel", "help"]);
    assert!(
        accels.contains("kvm") && !accels.contains("tcg"),
        "{accels}"
    );
    assert!(printed(&["emu", "-device", "help"]).contains("name \"sclpconsole\", bus "));
    assert!(printed(&["emu", "-chardev", "help"]).contains("socket"));
    assert!(printed(&["emu", "-d", "help"]).contains("in_asm"));
}

#[test]
fn every_mistake_is_one_line_that_names_the_argument_and_what_was_expected() {
    for (line, message) in [
        (
            "-foo",
            "-foo: invalid option; 'emu -help' lists those there are",
        ),
        (
            "--foo=1",
            "--foo=1: invalid option; 'emu -help' lists those there are",
        ),
        (
            "disk.img",
            "disk.img: expected an option; this version has no disks, so no disk image either",
        ),
        (
            "-",
            "-: expected an option; this version has no disks, so no disk image either",
        ),
        (
            "-drive file=x",
            "-drive: invalid option; 'emu -help' lists those there are",
        ),
        (
            "-smp",
            "-smp: requires an argument, expected [cpus=]N[,maxcpus=N][,drawers=N][,books=N][,sockets=N][,cores=N][,threads=N]",
        ),
        (
            "-machine foo",
            "-machine foo: no machine 'foo', expected one of: s390-ccw-virtio, fake, pc",
        ),
        (
            "-machine pc,foo=1",
            "-machine pc,foo=1: invalid parameter 'foo', expected one of: type, accel",
        ),
        (
            "-machine pc,accel=hax",
            "-machine accel=hax: no accelerator 'hax', expected tcg, kvm or qtest",
        ),
        (
            "-machine pc,accel=tcg -accel kvm",
            "-machine accel=tcg: there is an -accel too, expected one of both",
        ),
        (
            "-machine pc,usb=on",
            "-machine pc,usb=on: parameter 'usb' does not accept value 'on', expected one of: off",
        ),
        (
            "-serial null -serial stdio",
            "-serial stdio: this version's machines have one serial port or console, and the first -serial is its; expected null or none",
        ),
        (
            "-cpu z99",
            "-cpu z99: no CPU model 'z99', expected one of: qemu, max",
        ),
        (
            "-chardev foo",
            "-chardev foo: parameter 'id' is missing, expected the chardev's id",
        ),
        (
            "-chardev foo,id=x",
            "-chardev foo,id=x: 'foo' is not a chardev kind, expected one of: stdio, null, file, pipe, socket",
        ),
        (
            "-chardev null,id=1x",
            "-chardev null,id=1x: parameter 'id' is '1x', expected a letter and then letters, digits, '-', '.', '_'",
        ),
        (
            "-chardev socket,id=x",
            "-chardev socket,id=x: expected path=PATH, or host=HOST and port=PORT",
        ),
        (
            "-chardev socket,id=x,host=h",
            "-chardev socket,id=x,host=h: parameter 'port' is missing, expected a port number",
        ),
        (
            "-chardev socket,id=x,port=70000",
            "-chardev socket,id=x,port=70000: port '70000' is not a number from 0 to 65535",
        ),
        (
            "-chardev socket,id=x,path=p,port=1",
            "-chardev socket,id=x,path=p,port=1: expected either path= or host= and port=, not both",
        ),
        (
            "-chardev socket,id=x,path=p,wait=off",
            "-chardev socket,id=x,path=p,wait=off: parameter 'wait' is for servers, expected server=on with it",
        ),
        (
            "-chardev socket,id=x,path=p,server=maybe",
            "-chardev socket,id=x,path=p,server=maybe: parameter 'server' expects 'on' or 'off', not 'maybe'",
        ),
        (
            "-chardev null,id=a,path=p",
            "-chardev null,id=a,path=p: invalid parameter 'path', expected one of: backend, id, mux",
        ),
        (
            "-chardev null,id=a -chardev null,id=a",
            "-chardev null,id=a: there is a chardev 'a' already, expected another id",
        ),
        (
            "-chardev stdio,id=a -chardev stdio,id=b",
            "-chardev stdio,id=b: standard input and output are taken by another chardev already",
        ),
        (
            "-nographic -chardev stdio,id=a",
            "-nographic mon:stdio: standard input and output are taken by another chardev already",
        ),
        (
            "-mon chardev=zz",
            "-mon chardev=zz: no chardev 'zz', expected the id of a -chardev",
        ),
        (
            "-mon mode=control",
            "-mon mode=control: parameter 'chardev' is missing, expected the id of a chardev",
        ),
        (
            "-chardev null,id=a -mon a,mode=foo",
            "-mon a,mode=foo: parameter 'mode' does not accept value 'foo', expected one of: readline, control",
        ),
        (
            "-chardev null,id=a -mon a,pretty=on",
            "-mon a,pretty=on: parameter 'pretty' is for mode=control only",
        ),
        (
            "-chardev null,id=a -mon a -mon a",
            "-mon a: '-mon a' has chardev 'a' already, expected mux=on to share it",
        ),
        (
            "-device virtio-blk-ccw",
            "-device virtio-blk-ccw: no device 'virtio-blk-ccw' in this version, expected one of: sclpconsole, qemu-s390x-cpu, max-s390x-cpu, zEC12-s390x-cpu, isa-debug-exit, pc-testdev, virtio-net-ccw, diag288",
        ),
        (
            "-device sclpconsole,chardev=a",
            "-device sclpconsole,chardev=a: no chardev 'a', expected the id of a -chardev",
        ),
        (
            "-chardev null,id=a -serial chardev:a -device sclpconsole,chardev=a",
            "-device sclpconsole,chardev=a: the machine has one operator console, and '-serial chardev:a' has it",
        ),
        (
            "-serial foo",
            "-serial foo: expected stdio, mon:DEV, file:PATH, pipe:PATH, null, none, chardev:ID, unix:PATH or tcp:HOST:PORT",
        ),
        (
            "-serial file:",
            "-serial file:: expected something after the colon",
        ),
        ("-serial tcp:1", "-serial tcp:1: expected tcp:HOST:PORT"),
        (
            "-qmp foo",
            "-qmp foo: expected stdio, mon:DEV, file:PATH, pipe:PATH, null, none, chardev:ID, unix:PATH or tcp:HOST:PORT",
        ),
        (
            "-uuid 12",
            "-uuid 12: not a UUID, expected 32 hexadecimal digits as 550e8400-e29b-41d4-a716-446655440000",
        ),
        (
            "-action foo=1",
            "-action foo=1: invalid parameter 'foo', expected one of: reboot, shutdown, panic, watchdog",
        ),
        (
            "-action panic=foo",
            "-action panic=foo: parameter 'panic' does not accept value 'foo', expected one of: pause, shutdown, exit-failure, none",
        ),
        (
            "-watchdog-action foo",
            "-watchdog-action foo: parameter 'watchdog' does not accept value 'foo', expected one of: reset, shutdown, poweroff, pause, debug, none, inject-nmi",
        ),
        (
            "-name a,b=1",
            "-name a,b=1: invalid parameter 'b', expected one of: guest, process, debug-threads",
        ),
        (
            "-display gtk",
            "-display gtk: this version has no display, expected 'none'",
        ),
        ("-append foo", "-append: only allowed with -kernel"),
        ("-initrd foo", "-initrd: only allowed with -kernel"),
        (
            "-rtc driftfix=slew",
            "-rtc driftfix=slew: machines of this architecture have no clock that loses ticks, expected driftfix=none",
        ),
        (
            "-incoming foo:1",
            "-incoming foo:1: unknown migration protocol: 'foo:1' (known are unix:PATH, \
             tcp:HOST:PORT, exec:COMMAND, file:PATH[,offset=N] and fd:NUMBER-OR-NAME); or 'defer'",
        ),
        (
            "-incoming tcp:h:x",
            "-incoming tcp:h:x: 'x' in 'tcp:h:x' is no port (0 to 65535); or 'defer'",
        ),
        (
            "-object secret,id=s",
            "-object secret,id=s: 'secret' is not a kind of object here, expected tls-creds-x509",
        ),
        (
            "-global migration.downtime-limit=x",
            "-global migration.downtime-limit=x: Parameter 'downtime-limit' expects an integer \
             in the range of 0 to 2000000 ms",
        ),
        ("-hostclock sun", "-hostclock sun: expected linux or test"),
        (
            "-daemonize -nographic",
            "-daemonize: cannot be used with -nographic",
        ),
        (
            "-daemonize -serial stdio",
            "-serial stdio: cannot be used with -daemonize",
        ),
        (
            "-msg foo=1",
            "-msg foo=1: invalid parameter 'foo', expected one of: timestamp, guest-name",
        ),
    ] {
        let found = bad(line);
        assert_eq!(found, message, "{line}");
        assert_eq!(found.lines().count(), 1);
    }
    assert!(bad("-d foo").starts_with("-d foo: no log item 'foo', expected some of: in_asm, "));
    assert_eq!(
        parse(&["emu".into(), "-smp\n".into()], TYPES)
            .unwrap_err()
            .to_string()
            .lines()
            .count(),
        1
    );
    assert_eq!(good("-M pc -rtc driftfix=slew").kind.arch(), "x86_64");
}
