//! `-help`, `-version` and the lists behind `help` values.

use std::fmt::Write as _;

use machine::MachineType;

use super::options;

/// The QEMU version whose command line and monitors are followed: major, minor, micro.
pub const COMPATIBLE_VERSION: (u32, u32, u32) = (10, 0, 0);

/// The first line of `-help` and `-version`. Tools split it at spaces and dots and take the
/// fourth word onwards for the version of the command line they may use; it says whose
/// command line that is and that this is another program.
pub fn version_line() -> String {
    let (major, minor, micro) = COMPATIBLE_VERSION;
    format!(
        "QEMU emulator version {major}.{minor}.{micro} command line, as understood by emu {} \
         (which is not QEMU)",
        env!("CARGO_PKG_VERSION")
    )
}

pub(super) fn version() -> String {
    format!(
        "{}\nemu {}: runs s390x and x86 guests whose clocks stay right through stop and cont\n",
        version_line(),
        env!("CARGO_PKG_VERSION")
    )
}

pub(super) fn usage() -> String {
    let mut text = version_line();
    text.push_str(
        "\n\nusage: emu [option]...\n\n\
         Options may be written with one dash or two. Where one is repeated, the last counts,\n\
         except for those that add something (-chardev, -device, -mon, -serial, -monitor, -qmp).\n\n",
    );
    // clap's own layout would show two dashes, and brackets round values that have their own.
    for option in options::command().get_arguments() {
        let _ = write!(text, "-{}", option.get_id());
        for value in option.get_value_names().unwrap_or_default() {
            let _ = write!(text, " {value}");
        }
        text.push('\n');
        let help = option.get_help().map(ToString::to_string);
        for line in help.unwrap_or_default().lines() {
            let _ = writeln!(text, "        {line}");
        }
    }
    text.push_str(
        "\nOn the terminal: Ctrl-A c switches between console and monitor, Ctrl-A x ends,\n\
         Ctrl-A h lists the rest.\n",
    );
    text
}

pub(super) fn machines(types: &[&'static dyn MachineType]) -> String {
    let mut text = "Supported machines are:\n".to_owned();
    // Without a machine's name, the first.
    for (index, kind) in types.iter().enumerate() {
        for (nth, name) in kind.names().iter().enumerate() {
            let note = match (nth, index) {
                (0, 0) => " (default)".to_owned(),
                (0, _) => String::new(),
                _ => format!(" (alias of {})", kind.names()[0]),
            };
            let _ = writeln!(
                text,
                "{name:<24} {}: {}{note}",
                kind.arch(),
                kind.description()
            );
        }
    }
    text
}

pub(super) fn cpu_models(kind: &dyn MachineType) -> String {
    let mut text = "Available CPUs:\n".to_owned();
    for (index, model) in kind.cpu_models().iter().enumerate() {
        let note = kind.cpu_model_description(model);
        let _ = writeln!(
            text,
            "  {model:<8}{}{}",
            note.unwrap_or_default(),
            if index == 0 { " (default)" } else { "" }
        );
    }
    // No model refuses itself.
    let first = kind.cpu_models().first().copied();
    let features = kind.cpu_features(first).unwrap_or_default();
    if !features.is_empty() {
        text += "\nFeatures (MODEL,FEATURE=on|off), those of the default model marked *:\n";
        for line in features.chunks(8) {
            text += " ";
            for feature in line {
                let mark = if feature.installed { "*" } else { "" };
                let _ = write!(text, " {}{mark}", feature.name);
            }
            text += "\n";
        }
    }
    text
}

pub(super) fn accelerators(arch: &str) -> String {
    let executed = match arch {
        "x86_64" => "kvm   the host's KVM (the default)\n",
        _ => {
            "tcg   translation (the default); engine=native is machine code for x86-64 hosts\n\
             and the default there, engine=interp the portable interpreter\n"
        }
    };
    format!(
        "Accelerators of {arch} machines:\n{executed}\
         qtest no execution at all: a test drives the devices, and the time (-qtest)\n"
    )
}

pub(super) fn chardevs() -> String {
    "Available chardev kinds:\n  stdio\n  null\n  file\n  pipe\n  socket\n".into()
}

/// What `-d` knows: the item and what it logs.
pub(super) const LOG_ITEMS: &[(&str, &str)] = &[
    ("in_asm", "guest code of each translated block"),
    ("op", "intermediate code of each translated block"),
    ("op_opt", "intermediate code after optimisation"),
    ("out_asm", "what the engine made of each translated block"),
    ("int", "interruptions and exceptions"),
    (
        "exec",
        "each block that the run loop enters; chained ones are not seen",
    ),
    ("clock", "stop, cont and what clocks do then"),
    ("chardev", "character devices: connections and their ends"),
];

pub(super) fn log_items() -> String {
    let mut text = "Log items (comma separated):\n".to_owned();
    for (name, help) in LOG_ITEMS {
        let _ = writeln!(text, "{name:<15} {help}");
    }
    text
}
