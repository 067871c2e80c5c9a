//! The table of options, and the splitting of the program's words by it.

use super::CliError;

/// One option of the command line.
#[derive(Debug)]
pub(super) struct OptionSpec {
    /// Its name without dashes.
    pub(super) name: &'static str,
    /// What stands for its value in the help; empty if it takes none.
    pub(super) value: &'static str,
    /// One or more lines of help.
    pub(super) help: &'static str,
}

const fn option(name: &'static str, value: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, value, help }
}

/// Every option, in the order of the help.
pub(super) const OPTIONS: &[OptionSpec] = &[
    option("help", "", "this text (also -h)"),
    option("version", "", "the version"),
    option(
        "machine",
        "[type=]NAME[,accel=A][,PROP=VALUE...]",
        "which machine (also -M); 'help' lists them; without it the program's own\n\
         name decides (...-system-ARCH)",
    ),
    option(
        "accel",
        "tcg[,engine=interp|jit]",
        "how guest code is executed; 'help' lists the ways",
    ),
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
        "where the operator console goes: stdio, mon:stdio, file:PATH, pipe:PATH, null,\n\
         none, chardev:ID, unix:PATH[,server=on][,wait=off], tcp:HOST:PORT[,server=on]...",
    ),
    option(
        "chardev",
        "KIND,id=ID[,mux=on]...",
        "a character device: stdio[,signal=off], null, file,path=P[,append=on],\n\
         pipe,path=P, socket,path=P | host=H,port=N [,server=on][,wait=off]",
    ),
    option(
        "device",
        "sclpconsole[,chardev=ID]",
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
    option("sandbox", "off", "no system call filter"),
    option(
        "no-user-config",
        "",
        "accepted: there are no configuration files",
    ),
    option(
        "incoming",
        "URI",
        "not offered by this version: there is no migration yet",
    ),
];

/// Names that mean another option.
const ALIASES: &[(&str, &str)] = &[("h", "help"), ("M", "machine")];

/// An option as given.
#[derive(Debug)]
pub(super) struct Given {
    /// Its name without dashes, an alias resolved.
    pub(super) name: &'static str,
    /// As typed, with its dash or dashes.
    pub(super) typed: String,
    /// Its value; empty for an option that takes none.
    pub(super) value: String,
}

/// Splits the words after the program's name.
///
/// # Errors
/// An unknown option, a missing value, or a word that is no option.
pub(super) fn split(words: &[String]) -> Result<Vec<Given>, CliError> {
    let mut given = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else {
            return Err(CliError::new(
                word,
                "expected an option; this version has no disks, so no disk image either",
            ));
        };
        let name = name.strip_prefix('-').unwrap_or(name);
        let name = ALIASES
            .iter()
            .find(|(alias, _)| *alias == name)
            .map_or(name, |(_, real)| real);
        let Some(spec) = OPTIONS.iter().find(|spec| spec.name == name) else {
            return Err(CliError::new(
                word,
                "invalid option; 'emu -help' lists those there are",
            ));
        };
        let value = if spec.value.is_empty() {
            String::new()
        } else {
            words
                .next()
                .ok_or_else(|| {
                    CliError::new(
                        word,
                        format!("requires an argument, expected {}", spec.value),
                    )
                })?
                .clone()
        };
        given.push(Given {
            name: spec.name,
            typed: word.clone(),
            value,
        });
    }
    Ok(given)
}
