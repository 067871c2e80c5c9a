//! The table of commands.

use serde_json::Value;

use super::hmp::Session;
use super::{
    Args, Context, Failure, clocks, descriptors, hotplug, interrupt, memory, migration, models,
    qom, query, snapshots,
};

/// One command, under one or both faces.
pub(crate) struct Command {
    pub(crate) qmp: Option<Qmp>,
    pub(crate) hmp: Option<Hmp>,
}

/// A command's face for programs.
pub(crate) struct Qmp {
    pub(crate) name: &'static str,
    pub(crate) args: &'static [Arg],
    pub(crate) run: fn(&Context, &Args) -> Result<Value, Failure>,
    pub(crate) presence: Presence,
}

/// When a command is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Always,
    /// Under `-hostclock test`.
    TestClock,
    /// On a machine with a real-time clock.
    Rtc,
}

impl Presence {
    pub(crate) fn in_context(self, context: &Context) -> bool {
        match self {
            Self::Always => true,
            Self::TestClock => context.pusher.is_some(),
            Self::Rtc => context.machine.rtc().is_some(),
        }
    }
}

/// A command's face for people.
pub(crate) struct Hmp {
    /// Names, `|` between them. `info NAME` for those under `info`.
    pub(crate) names: &'static str,
    /// What stands for its parameters in the help.
    pub(crate) params: &'static str,
    pub(crate) help: &'static str,
    pub(crate) run: HmpRun,
}

/// How a command for people is run.
pub(crate) enum HmpRun {
    /// As its QMP face without arguments, its value shown by this.
    Show(fn(&Context, &Session, &Value) -> String),
    /// By itself, with the rest of the line.
    Text(fn(&Context, &mut Session, &str) -> Result<String, String>),
}

/// An argument of a QMP command.
pub(crate) struct Arg {
    pub(crate) name: &'static str,
    pub(crate) kind: ArgKind,
    pub(crate) optional: bool,
}

/// QAPI's types of arguments, as far as they are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgKind {
    String,
    Integer,
    Boolean,
    Array,
    Object,
    /// Any number of arguments of other names, which the command checks by itself.
    Rest,
    Enum(&'static [&'static str]),
}

const fn required(name: &'static str, kind: ArgKind) -> Arg {
    Arg {
        name,
        kind,
        optional: false,
    }
}

const fn optional(name: &'static str, kind: ArgKind) -> Arg {
    Arg {
        name,
        kind,
        optional: true,
    }
}

const REST: Arg = optional("", ArgKind::Rest);

type QmpFn = fn(&Context, &Args) -> Result<Value, Failure>;
type ShowFn = fn(&Context, &Session, &Value) -> String;
type TextFn = fn(&Context, &mut Session, &str) -> Result<String, String>;

/// Both faces, the human one showing the other's value.
const fn both(
    name: &'static str,
    run: QmpFn,
    names: &'static str,
    help: &'static str,
    show: ShowFn,
) -> Command {
    Command {
        qmp: Some(Qmp {
            name,
            args: &[],
            run,
            presence: Presence::Always,
        }),
        hmp: Some(Hmp {
            names,
            params: "",
            help,
            run: HmpRun::Show(show),
        }),
    }
}

const fn qmp(name: &'static str, args: &'static [Arg], run: QmpFn) -> Command {
    Command {
        qmp: Some(Qmp {
            name,
            args,
            run,
            presence: Presence::Always,
        }),
        hmp: None,
    }
}

/// A command for programs that is there at times.
const fn at_times(
    presence: Presence,
    name: &'static str,
    args: &'static [Arg],
    run: QmpFn,
) -> Command {
    Command {
        qmp: Some(Qmp {
            name,
            args,
            run,
            presence,
        }),
        hmp: None,
    }
}

const fn test(name: &'static str, args: &'static [Arg], run: QmpFn) -> Command {
    at_times(Presence::TestClock, name, args, run)
}

const fn hmp(
    names: &'static str,
    params: &'static str,
    help: &'static str,
    run: TextFn,
) -> Command {
    Command {
        qmp: None,
        hmp: Some(Hmp {
            names,
            params,
            help,
            run: HmpRun::Text(run),
        }),
    }
}

/// For commands that say nothing when they succeed.
fn silent(_: &Context, _: &Session, _: &Value) -> String {
    String::new()
}

/// Both faces, the human one with parameters of its own.
const fn pair(
    name: &'static str,
    args: &'static [Arg],
    run: QmpFn,
    names: &'static str,
    params: &'static str,
    help: &'static str,
    text: TextFn,
) -> Command {
    Command {
        qmp: qmp(name, args, run).qmp,
        hmp: hmp(names, params, help, text).hmp,
    }
}

const CPU_INDEX: Arg = optional("cpu-index", ArgKind::Integer);

/// What saving and loading a snapshot take. `vmstate` and `devices` name disks, of which there
/// are none: snapshots are files of their own.
const SNAPSHOT: &[Arg] = &[
    required("job-id", ArgKind::String),
    required("tag", ArgKind::String),
    required("vmstate", ArgKind::String),
    required("devices", ArgKind::Array),
];

/// Every command.
pub(crate) const COMMANDS: &[Command] = &[
    both(
        "stop",
        query::stop,
        "stop|s",
        "stop the VM and its clocks",
        silent,
    ),
    both(
        "cont",
        query::cont,
        "cont|c",
        "let the VM and its clocks run on",
        silent,
    ),
    both(
        "system_reset",
        query::system_reset,
        "system_reset",
        "reset the machine",
        silent,
    ),
    both(
        "system_powerdown",
        query::system_powerdown,
        "system_powerdown",
        "ask the guest to power down",
        silent,
    ),
    pair(
        "inject-nmi",
        &[],
        interrupt::inject_nmi,
        "nmi",
        "",
        "a restart interruption (s390x) of the CPU that 'cpu' has chosen",
        interrupt::hmp_nmi,
    ),
    pair(
        "watchdog-set-action",
        &[required("action", ArgKind::Enum(interrupt::ACTIONS))],
        interrupt::set_watchdog_action,
        "watchdog_action",
        "action",
        "what follows when the guest's watchdog runs out",
        interrupt::hmp_watchdog_action,
    ),
    qmp("quit", &[], query::quit),
    hmp("quit|q", "", "end the emulator", query::hmp_quit),
    both(
        "query-status",
        query::status,
        "info status",
        "whether the VM runs",
        query::show_status,
    ),
    both(
        "query-clock",
        clocks::query,
        "info clock",
        "the guest's clocks",
        clocks::show,
    ),
    qmp(
        "query-ledger",
        &[optional("limit", ArgKind::Integer)],
        clocks::query_ledger,
    ),
    hmp(
        "info ledger",
        "[count]",
        "what happened to the clocks, latest last",
        clocks::hmp_ledger,
    ),
    both(
        "query-cpus-fast",
        query::cpus,
        "info cpus",
        "every CPU",
        query::show_cpus,
    ),
    qmp("query-cpu-definitions", &[], models::query_definitions),
    qmp(
        "query-cpu-model-expansion",
        &[
            required("type", ArgKind::Enum(&["static", "full"])),
            required("model", ArgKind::Object),
        ],
        models::expand,
    ),
    qmp(
        "set-cpu-topology",
        &[
            required("core-id", ArgKind::Integer),
            optional("socket-id", ArgKind::Integer),
            optional("book-id", ArgKind::Integer),
            optional("drawer-id", ArgKind::Integer),
            optional(
                "entitlement",
                ArgKind::Enum(&["auto", "low", "medium", "high"]),
            ),
            optional("dedicated", ArgKind::Boolean),
        ],
        models::set_topology,
    ),
    qmp(
        "query-s390x-cpu-polarization",
        &[],
        models::query_polarization,
    ),
    qmp(
        "device_add",
        &[required("driver", ArgKind::String), REST],
        hotplug::device_add,
    ),
    hmp(
        "device_add",
        "driver[,prop=value]...",
        "add a CPU to the machine that is there",
        hotplug::hmp_device_add,
    ),
    qmp(
        "device_del",
        &[required("id", ArgKind::String)],
        hotplug::device_del,
    ),
    hmp(
        "device_del",
        "id",
        "take a device away (CPUs stay)",
        hotplug::hmp_device_del,
    ),
    qmp("query-hotpluggable-cpus", &[], hotplug::query_hotpluggable),
    hmp(
        "info hotpluggable-cpus",
        "",
        "CPUs that are there and that can be added",
        hotplug::hmp_hotpluggable,
    ),
    hmp(
        "info registers",
        "[-a|cpu]",
        "a CPU's registers (-a: every CPU's)",
        query::hmp_registers,
    ),
    both(
        "query-chardev",
        query::chardevs,
        "info chardev",
        "character devices",
        query::show_chardevs,
    ),
    both(
        "query-name",
        query::name,
        "info name",
        "the VM's name",
        query::show_name,
    ),
    both(
        "query-uuid",
        query::uuid,
        "info uuid",
        "the VM's UUID",
        query::show_uuid,
    ),
    both(
        "query-version",
        query::version,
        "info version",
        "the version",
        query::show_version,
    ),
    both(
        "query-kvm",
        query::kvm,
        "info kvm",
        "whether KVM is in use",
        query::show_kvm,
    ),
    hmp(
        "info history",
        "",
        "this monitor's command lines",
        query::hmp_history,
    ),
    qmp("query-target", &[], query::target),
    qmp("query-machines", &[], query::machines),
    qmp("query-commands", &[], query::commands),
    qmp("query-events", &[], query::events),
    qmp(
        "qom-list-types",
        &[
            optional("implements", ArgKind::String),
            optional("abstract", ArgKind::Boolean),
        ],
        qom::list_types,
    ),
    pair(
        "qom-list",
        &[required("path", ArgKind::String)],
        qom::list,
        "qom-list",
        "[path]",
        "an object's properties",
        qom::hmp_list,
    ),
    pair(
        "qom-get",
        &[
            required("path", ArgKind::String),
            required("property", ArgKind::String),
        ],
        qom::get,
        "qom-get",
        "path property",
        "the value of an object's property",
        qom::hmp_get,
    ),
    at_times(
        Presence::Rtc,
        "rtc-reset-reinjection",
        &[],
        qom::reset_reinjection,
    ),
    qmp(
        "human-monitor-command",
        &[required("command-line", ArgKind::String), CPU_INDEX],
        query::human_monitor_command,
    ),
    pair(
        "migrate",
        &[
            optional("uri", ArgKind::String),
            optional("channels", ArgKind::Array),
            optional("blk", ArgKind::Boolean),
            optional("inc", ArgKind::Boolean),
            optional("detach", ArgKind::Boolean),
            optional("resume", ArgKind::Boolean),
        ],
        migration::migrate,
        "migrate",
        "[-d] uri",
        "move the guest to URI (-d: do not wait for the end)",
        migration::hmp_migrate,
    ),
    pair(
        "migrate-incoming",
        &[
            optional("uri", ArgKind::String),
            optional("channels", ArgKind::Array),
            optional("exit-on-error", ArgKind::Boolean),
        ],
        migration::migrate_incoming,
        "migrate_incoming",
        "uri",
        "let a guest come in (after -incoming defer)",
        migration::hmp_migrate_incoming,
    ),
    both(
        "migrate_cancel",
        migration::migrate_cancel,
        "migrate_cancel",
        "give the migration up",
        silent,
    ),
    pair(
        "migrate-continue",
        &[required("state", ArgKind::Enum(migration::STATUSES))],
        migration::migrate_continue,
        "migrate_continue",
        "state",
        "go on with a migration that waits in that state",
        migration::hmp_migrate_continue,
    ),
    both(
        "query-migrate",
        migration::query_migrate,
        "info migrate",
        "how far the migration is",
        migration::show_migrate,
    ),
    both(
        "query-migrate-capabilities",
        migration::query_capabilities,
        "info migrate_capabilities",
        "migration capabilities",
        migration::show_capabilities,
    ),
    pair(
        "migrate-set-capabilities",
        &[required("capabilities", ArgKind::Array)],
        migration::set_capabilities,
        "migrate_set_capability",
        "capability state",
        "switch a migration capability on or off",
        migration::hmp_set_capability,
    ),
    both(
        "query-migrate-parameters",
        migration::query_parameters,
        "info migrate_parameters",
        "migration parameters",
        migration::show_parameters,
    ),
    pair(
        "migrate-set-parameters",
        &[REST],
        migration::set_parameters,
        "migrate_set_parameter",
        "parameter value",
        "set a migration parameter",
        migration::hmp_set_parameter,
    ),
    qmp(
        "getfd",
        &[required("fdname", ArgKind::String)],
        descriptors::getfd,
    ),
    qmp(
        "closefd",
        &[required("fdname", ArgKind::String)],
        descriptors::closefd,
    ),
    qmp(
        "add-fd",
        &[
            optional("fdset-id", ArgKind::Integer),
            optional("opaque", ArgKind::String),
        ],
        descriptors::add_fd,
    ),
    qmp(
        "remove-fd",
        &[
            required("fdset-id", ArgKind::Integer),
            optional("fd", ArgKind::Integer),
        ],
        descriptors::remove_fd,
    ),
    qmp("query-fdsets", &[], descriptors::query_fdsets),
    qmp(
        "object-add",
        &[
            required("qom-type", ArgKind::String),
            required("id", ArgKind::String),
            REST,
        ],
        descriptors::object_add,
    ),
    qmp(
        "object-del",
        &[required("id", ArgKind::String)],
        descriptors::object_del,
    ),
    qmp("snapshot-save", SNAPSHOT, snapshots::save),
    qmp("snapshot-load", SNAPSHOT, snapshots::load),
    qmp(
        "snapshot-delete",
        &[
            required("job-id", ArgKind::String),
            required("tag", ArgKind::String),
            required("devices", ArgKind::Array),
        ],
        snapshots::delete,
    ),
    qmp("query-jobs", &[], snapshots::query_jobs),
    qmp(
        "job-dismiss",
        &[required("id", ArgKind::String)],
        snapshots::dismiss,
    ),
    hmp(
        "savevm",
        "[tag]",
        "save the VM as a snapshot",
        snapshots::hmp_save,
    ),
    hmp(
        "loadvm",
        "tag",
        "go back to a snapshot",
        snapshots::hmp_load,
    ),
    hmp("delvm", "tag", "delete a snapshot", snapshots::hmp_delete),
    hmp(
        "info snapshots",
        "",
        "the snapshots there are",
        snapshots::hmp_list,
    ),
    hmp(
        "x",
        "/fmt addr",
        "guest memory at a virtual address",
        memory::hmp_x,
    ),
    hmp(
        "xp",
        "/fmt addr",
        "guest memory at an absolute address",
        memory::hmp_xp,
    ),
    hmp(
        "print|p",
        "/fmt expr",
        "the value of an expression",
        memory::hmp_print,
    ),
    hmp(
        "cpu",
        "index",
        "the CPU that 'x' and 'info registers' are about",
        query::hmp_cpu,
    ),
    hmp(
        "help|?",
        "[command]",
        "all commands, or one",
        query::hmp_help,
    ),
    test(
        "x-clock-push",
        &[required("ns", ArgKind::Integer)],
        clocks::push,
    ),
    test(
        "x-clock-fail",
        &[
            required("clock", ArgKind::String),
            required("point", ArgKind::Enum(&["capture", "install"])),
            optional("count", ArgKind::Integer),
        ],
        clocks::fail,
    ),
];

/// The QMP command of that name, if it is there under this context.
pub(crate) fn find_qmp(context: &Context, name: &str) -> Option<&'static Qmp> {
    COMMANDS
        .iter()
        .filter_map(|command| command.qmp.as_ref())
        .find(|qmp| qmp.name == name && qmp.presence.in_context(context))
}

/// The command for people of that name; `info` and the word after it for those under `info`.
pub(crate) fn find_hmp(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| {
        command
            .hmp
            .as_ref()
            .is_some_and(|hmp| hmp.names.split('|').any(|n| n == name))
    })
}

/// Checks arguments against a command's list, with QAPI's messages.
pub(crate) fn check(args: &Args, spec: &[Arg]) -> Result<(), Failure> {
    for arg in spec {
        match args.get(arg.name) {
            None if arg.optional => {}
            None => {
                return Err(Failure::generic(format!(
                    "Parameter '{}' is missing",
                    arg.name
                )));
            }
            Some(value) => check_kind(arg, value)?,
        }
    }
    if spec.iter().any(|arg| arg.kind == ArgKind::Rest) {
        return Ok(());
    }
    match args
        .keys()
        .find(|key| spec.iter().all(|arg| arg.name != key.as_str()))
    {
        Some(key) => Err(Failure::generic(format!("Parameter '{key}' is unexpected"))),
        None => Ok(()),
    }
}

fn check_kind(arg: &Arg, value: &Value) -> Result<(), Failure> {
    let (good, expected) = match arg.kind {
        ArgKind::String | ArgKind::Enum(_) => (value.is_string(), "string"),
        ArgKind::Integer => (value.is_i64() || value.is_u64(), "integer"),
        ArgKind::Boolean => (value.is_boolean(), "boolean"),
        ArgKind::Array => (value.is_array(), "array"),
        ArgKind::Object => (value.is_object(), "object"),
        ArgKind::Rest => (true, "anything"),
    };
    if !good {
        return Err(Failure::generic(format!(
            "Invalid parameter type for '{}', expected: {expected}",
            arg.name
        )));
    }
    if let (ArgKind::Enum(names), Some(text)) = (arg.kind, value.as_str())
        && !names.contains(&text)
    {
        return Err(Failure::generic(format!(
            "Parameter '{}' does not accept value '{text}'",
            arg.name
        )));
    }
    Ok(())
}
