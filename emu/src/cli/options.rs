//! The table of options: what clap is told, what the help says and what the settings read come
//! from one row each. Meanings of values are not known here.
//!
//! clap does the parsing. QEMU's grammar differs from its own in three points, which
//! [`normalise`] deals with: one dash is as good as two, a value is always the next word, never
//! behind `=`, and `--` means nothing.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, Error};

use super::CliError;

/// One option of the command line.
#[derive(Debug)]
struct OptionSpec {
    /// Its name without dashes.
    name: &'static str,
    /// Another name for it.
    alias: Option<&'static str>,
    /// What stands for its value in the help; empty if it takes none.
    value: &'static str,
    /// One or more lines of help.
    help: &'static str,
}

const fn option(name: &'static str, value: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        alias: None,
        value,
        help,
    }
}

impl OptionSpec {
    const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    const fn takes_value(&self) -> bool {
        !self.value.is_empty()
    }

    fn arg(&self) -> Arg {
        let arg = Arg::new(self.name)
            .long(self.name)
            .aliases(self.alias)
            .help(self.help);
        if self.takes_value() {
            arg.value_name(self.value)
                .num_args(1)
                .allow_hyphen_values(true)
                .action(ArgAction::Append)
        } else {
            arg.overrides_with(self.name).action(ArgAction::SetTrue)
        }
    }
}

/// Every option, in the order of the help.
const OPTIONS: &[OptionSpec] = &[
    option("help", "", "this text (also -h)").alias("h"),
    option("version", "", "the version"),
    option(
        "machine",
        "[type=]NAME[,accel=A][,PROP=VALUE...]",
        "which machine (also -M); 'help' lists them; without it the program's own\n\
         name decides (...-system-ARCH)",
    )
    .alias("M"),
    option(
        "accel",
        "tcg[,engine=native|interp][,tb-size=MiB] | kvm | qtest",
        "how guest code is executed; 'help' lists the ways. Of several (kvm:tcg, or the\n\
         option repeated) the first that is there counts",
    ),
    option("enable-kvm", "", "the same as -accel kvm"),
    option(
        "cpu",
        "MODEL[,FEATURE=on|off...]",
        "the CPU's model; 'help' lists them",
    ),
    option(
        "smp",
        "[cpus=]N[,maxcpus=N][,drawers=N][,books=N][,sockets=N][,cores=N][,threads=N]",
        "how many CPUs",
    ),
    option(
        "m",
        "[size=]N[k|M|G|T]",
        "guest memory, in MiB unless a suffix says otherwise",
    ),
    option("kernel", "FILE", "the kernel or ELF file to boot"),
    option("initrd", "FILE", "the initial RAM disk"),
    option("append", "TEXT", "the kernel's command line"),
    option(
        "nographic",
        "",
        "console and monitor on the terminal (Ctrl-A h there for help)",
    ),
    option(
        "nodefaults",
        "",
        "no device or monitor that was not asked for",
    ),
    option(
        "display",
        "none",
        "no display; then nothing is put on the terminal unasked",
    ),
    option("audio", "none", "no sound"),
    option("vga", "none", "no graphics adapter"),
    option("parallel", "none|null", "no parallel port"),
    option(
        "serial",
        "DEV",
        "where the operator console (x86: the serial port at 0x3f8) goes: stdio, mon:stdio,\n\
         file:PATH, pipe:PATH, null, none, chardev:ID, unix:PATH[,server=on][,wait=off], tcp:HOST:PORT[,server=on]...",
    ),
    option(
        "chardev",
        "KIND,id=ID[,mux=on]...",
        "a character device: stdio[,signal=off], null, file,path=P[,append=on],\n\
         pipe,path=P, socket,path=P | host=H,port=N [,server=on][,wait=off]",
    ),
    option(
        "device",
        "DRIVER[,PROP=VALUE...]",
        "a device; 'help' lists them",
    ),
    option(
        "mon",
        "[chardev=]ID[,mode=readline|control][,pretty=on]",
        "a monitor on a chardev",
    ),
    option(
        "monitor",
        "DEV",
        "a monitor for people on DEV (as for -serial); 'none' for none",
    ),
    option("qmp", "DEV", "a monitor for programs (QMP) on DEV"),
    option("qmp-pretty", "DEV", "the same, with indented output"),
    option("S", "", "do not start the guest: 'cont' at a monitor does"),
    option(
        "rtc",
        "[base=utc|localtime|DATE][,clock=host|rt|vm][,driftfix=none|slew]",
        "the guest's time of day at start; DATE as 2026-11-21T10:00:00 or 2026-11-21",
    ),
    option(
        "name",
        "[guest=]NAME[,process=NAME][,debug-threads=on|off]",
        "the guest's name",
    ),
    option("uuid", "UUID", "the machine's UUID"),
    option(
        "pidfile",
        "FILE",
        "write the process id there while running",
    ),
    option(
        "daemonize",
        "",
        "go to the background once everything is set up",
    ),
    option(
        "run-with",
        "exit-with-parent=on|off",
        "whether to end when the program that started this one does",
    ),
    option(
        "no-reboot",
        "",
        "end instead of a reboot (-action reboot=shutdown)",
    ),
    option(
        "no-shutdown",
        "",
        "stop instead of ending at shutdown (-action shutdown=pause)",
    ),
    option(
        "action",
        "EVENT=ACTION[,EVENT=ACTION...]",
        "reboot=reset|shutdown, shutdown=poweroff|pause,\n\
         panic=pause|shutdown|exit-failure|none,\n\
         watchdog=reset|shutdown|poweroff|pause|debug|none|inject-nmi",
    ),
    option(
        "watchdog-action",
        "ACTION",
        "the same as -action watchdog=ACTION",
    ),
    option("d", "ITEM[,ITEM...]", "what to log; 'help' lists the items"),
    option("D", "FILE", "where to log instead of standard error"),
    option(
        "msg",
        "[timestamp=on|off][,guest-name=on|off]",
        "what stands before messages",
    ),
    option(
        "hostclock",
        "linux|test",
        "the host clock under the guest's clocks; 'test' adds the QMP commands\n\
         x-clock-push {ns} (the host clock jumps forward by that much) and\n\
         x-clock-fail {clock, point: capture|install, count} (makes a clock's next\n\
         captures or installs fail), for tests of what stop and cont do",
    ),
    option(
        "qtest",
        "DEV",
        "a test drives the machine's devices and its virtual time from DEV (as for\n\
         -serial), by QEMU's qtest protocol; needs -accel qtest",
    ),
    option(
        "qtest-log",
        "FILE|none",
        "write what the test and the machine tell one another there",
    ),
    option("sandbox", "off", "no system call filter"),
    option("net", "none", "no network").alias("nic"),
    option("overcommit", "mem-lock=off", "guest memory is not locked"),
    option("boot", "ORDER", "accepted: only -kernel is booted"),
    option("k", "LANGUAGE", "accepted: there is no keyboard"),
    option("no-acpi", "", "accepted: there is no ACPI"),
    option("no-hpet", "", "accepted: there is no HPET"),
    option("no-fd-bootchk", "", "accepted: there is no floppy disk"),
    option(
        "no-user-config",
        "",
        "accepted: there are no configuration files",
    ),
    option(
        "incoming",
        "URI|defer",
        "wait for a guest instead of booting one: unix:PATH, tcp:[HOST]:PORT, fd:N,\n\
         exec:COMMAND, file:PATH[,offset=N]; defer: until migrate-incoming says where.\n\
         tcp: without a host listens on this host alone",
    ),
    option("loadvm", "TAG", "start with the guest of a snapshot"),
    option(
        "snapshot-dir",
        "DIR",
        "where snapshots are kept, as TAG.emusnap; without it the current folder",
    ),
    option(
        "object",
        "tls-creds-x509,id=ID,dir=DIR[,endpoint=client|server][,verify-peer=on|off]",
        "TLS keys and certificates for migration, named by its parameter tls-creds:\n\
         ca-cert.pem, and client- or server-cert.pem and -key.pem, in DIR",
    ),
    option(
        "global",
        "migration.NAME=VALUE",
        "a migration parameter, or a capability (on or off), as from the start",
    ),
];

/// The command line as clap knows it: long options only, in the order of the help.
pub(super) fn command() -> Command {
    Command::new("emu")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(OPTIONS.iter().map(OptionSpec::arg))
}

/// An option as given.
#[derive(Debug)]
pub(super) struct Given<'a> {
    /// Its name without dashes, an alias resolved.
    pub(super) name: &'static str,
    /// As typed, with its dash or dashes.
    pub(super) typed: &'a str,
    /// Its value; empty for an option that takes none.
    pub(super) value: &'a str,
}

/// The options that were given.
#[derive(Debug)]
pub(super) struct Options<'a> {
    matches: ArgMatches,
    words: &'a [String],
}

impl<'a> Options<'a> {
    /// Parses the program's words, its own name first.
    ///
    /// # Errors
    /// The first unknown option, missing value, or word that is no option.
    pub(super) fn parse(words: &'a [String]) -> Result<Self, CliError> {
        let normal = normalise(words);
        command()
            .try_get_matches_from(normal.iter().map(|word| &word.text))
            .map(|matches| Self { matches, words })
            .map_err(|error| explain(&error, &normal, words))
    }

    /// Whether an option without a value was given.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.matches.get_flag(name)
    }

    /// Every option in the order in which they were typed. One without a value is there once,
    /// where it stood last.
    pub(super) fn in_order(&self) -> Vec<Given<'_>> {
        let mut given: Vec<(usize, Given<'_>)> = Vec::new();
        for spec in OPTIONS {
            // A default is no occurrence, and has no place among the words.
            let places = self.matches.indices_of(spec.name).into_iter().flatten();
            if spec.takes_value() {
                let values = self.matches.get_many::<String>(spec.name);
                for (place, value) in places.zip(values.into_iter().flatten()) {
                    given.push((place, self.given(spec, place - 1, value)));
                }
            } else if self.flag(spec.name) {
                given.extend(places.map(|place| (place, self.given(spec, place, ""))));
            }
        }
        given.sort_by_key(|(place, _)| *place);
        given.into_iter().map(|(_, option)| option).collect()
    }

    /// `place` is that of the option's word. clap's indices are those of the words, because
    /// every word is an option or its only value.
    fn given<'b>(&'b self, spec: &OptionSpec, place: usize, value: &'b str) -> Given<'b> {
        Given {
            name: spec.name,
            typed: self.words.get(place).map_or(spec.name, String::as_str),
            value,
        }
    }
}

/// A word as clap is to see it.
struct Word {
    text: String,
    /// Whether it is a value, or the program's name, rather than in the place of an option.
    value: bool,
}

/// Gives the words in the place of an option two dashes, and no others. One that clap would
/// take for an option and QEMU would not (`--`, `--kernel=F`) loses its dashes, so that clap
/// too finds a word which is no option.
fn normalise(words: &[String]) -> Vec<Word> {
    let mut value = true;
    words
        .iter()
        .map(|word| {
            let was_value = std::mem::replace(&mut value, false);
            let name = option_name(word).filter(|_| !was_value);
            let text = match name {
                None => word.clone(),
                Some(name) if name.is_empty() || name.contains('=') => name.to_owned(),
                Some(name) => {
                    value = find(name).is_some_and(OptionSpec::takes_value);
                    format!("--{name}")
                }
            };
            Word {
                text,
                value: was_value,
            }
        })
        .collect()
}

/// The word without its dashes, if it has one or two before something.
fn option_name(word: &str) -> Option<&str> {
    let name = word.strip_prefix('-').filter(|name| !name.is_empty())?;
    Some(name.strip_prefix('-').unwrap_or(name))
}

fn find(name: &str) -> Option<&'static OptionSpec> {
    OPTIONS
        .iter()
        .find(|spec| spec.name == name || spec.alias == Some(name))
}

/// clap's error about `normal`, in our words about `words`.
fn explain(error: &Error, normal: &[Word], words: &[String]) -> CliError {
    let last = words.last().map_or("", String::as_str);
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(culprit))) => {
            // clap stops at the first, and all before it are in the table.
            let word = normal
                .iter()
                .zip(words)
                .find(|(normal, _)| !normal.value && normal.text == *culprit)
                .map_or(culprit, |(_, word)| word);
            let problem = if option_name(word).is_some() {
                "invalid option; 'emu -help' lists those there are"
            } else {
                "expected an option; this version has no disks, so no disk image either"
            };
            CliError::new(word, problem)
        }
        // Any word is good as a value, so it is the last option that has none.
        (ErrorKind::InvalidValue, _) => CliError::new(
            last,
            format!(
                "requires an argument, expected {}",
                option_name(last)
                    .and_then(find)
                    .map_or("a value", |spec| spec.value)
            ),
        ),
        (kind, _) => CliError::new(last, format!("a command line that cannot be read ({kind})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        ["emu"]
            .iter()
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect()
    }

    #[track_caller]
    fn read(line: &[&str], expected: &[(&str, &str, &str)]) {
        let words = words(line);
        let options = Options::parse(&words).unwrap();
        let found: Vec<_> = options
            .in_order()
            .iter()
            .map(|given| (given.name, given.typed, given.value))
            .collect();
        assert_eq!(found, expected, "{line:?}");
    }

    #[test]
    fn options_come_in_order_and_as_typed() {
        read(&[], &[]);
        read(
            &[
                "--serial", "a", "-S", "-M", "pc", "-serial", "b", "--m", "1",
            ],
            &[
                ("serial", "--serial", "a"),
                ("S", "-S", ""),
                ("machine", "-M", "pc"),
                ("serial", "-serial", "b"),
                ("m", "--m", "1"),
            ],
        );
        read(
            &[
                "-no-reboot",
                "-action",
                "reboot=reset",
                "--no-reboot",
                "-d",
                "x",
                "-D",
                "y",
            ],
            &[
                ("action", "-action", "reboot=reset"),
                ("no-reboot", "--no-reboot", ""),
                ("d", "-d", "x"),
                ("D", "-D", "y"),
            ],
        );
    }

    #[test]
    fn a_value_is_the_next_word_whatever_it_is() {
        for value in [
            "", "-", "--", "---", "-S", "--kernel", "--x=y", "-append", "a b", "help",
        ] {
            read(
                &["-append", value, "--append", value, "-S"],
                &[
                    ("append", "-append", value),
                    ("append", "--append", value),
                    ("S", "-S", ""),
                ],
            );
        }
    }

    #[test]
    fn the_first_mistake_is_told() {
        let unknown = "invalid option; 'emu -help' lists those there are";
        let stray = "expected an option; this version has no disks, so no disk image either";
        for (line, argument, problem) in [
            (&["--kernel=F", "-foo"][..], "--kernel=F", unknown),
            (&["-S=", "-smp"], "-S=", unknown),
            (&["--", "-foo"], "--", unknown),
            (&["---S"], "---S", unknown),
            (&["-kernel", "foo", "-foo", "--foo", "foo"], "-foo", unknown),
            (&["-append", "-foo", "--foo"], "--foo", unknown),
            (&["foo=1", "--foo=1"], "foo=1", stray),
            (&["-S", ""], "", stray),
            (&["", "--"], "", stray),
            (&["--", ""], "--", unknown),
            (&["-S", "x", "-foo"], "x", stray),
            (
                &["-h", "-initrd"],
                "-initrd",
                "requires an argument, expected FILE",
            ),
            (
                &["-kernel", "-initrd", "--D"],
                "--D",
                "requires an argument, expected FILE",
            ),
            (&["-foo", "-initrd"], "-foo", unknown),
        ] {
            let error = Options::parse(&words(line)).unwrap_err();
            assert_eq!(error, CliError::new(argument, problem), "{line:?}");
        }
    }
}
