//! Which machine: by `-machine`, else by the program's own name.

use machine::MachineType;

use super::CliError;

/// Properties of QEMU's machines that say of ours what is so anyway.
pub(super) const ACCEPTED_PROPERTIES: &[(&str, &[&str])] = &[
    ("acpi", &["off"]),
    ("auto-kernel-cmdline", &["off"]),
    ("dump-guest-core", &["on", "off"]),
    ("graphics", &["off"]),
    ("hpet", &["off"]),
    ("isa-serial", &["on"]),
    ("kernel-irqchip", &["on"]),
    ("mem-merge", &["on", "off"]),
    ("nvdimm", &["off"]),
    ("pic", &["on"]),
    ("pit", &["on"]),
    ("rtc", &["on", "auto"]),
    ("smm", &["off", "auto"]),
    ("suppress-vmdesc", &["on", "off"]),
    ("usb", &["off"]),
    ("vmport", &["off", "auto"]),
    ("x-option-roms", &["off"]),
];

/// The architecture that the program's own name asks for, as `...-system-x86_64` does.
fn arch_of(program: &str) -> Option<&str> {
    let file = program.rsplit('/').next().unwrap_or(program);
    file.rsplit_once("-system-").map(|(_, arch)| arch)
}

/// The kinds that the program offers under its name: those of one architecture, or all.
///
/// # Errors
/// There are none of that architecture.
pub(super) fn of_program(
    program: &str,
    types: &[&'static dyn MachineType],
) -> Result<Vec<&'static dyn MachineType>, CliError> {
    let Some(arch) = arch_of(program) else {
        return Ok(types.to_vec());
    };
    let kinds = types.iter().copied().filter(|kind| kind.arch() == arch);
    let kinds: Vec<_> = kinds.collect();
    if kinds.is_empty() {
        let mut arches: Vec<_> = types.iter().map(|kind| kind.arch()).collect();
        arches.sort_unstable();
        arches.dedup();
        return Err(CliError::new(
            program,
            format!(
                "no machine of architecture '{arch}', which the program's name asks for; \
                 expected one of: {}",
                arches.join(", ")
            ),
        ));
    }
    Ok(kinds)
}

/// The kind by the name given (with its argument, for messages), under the program's own name
/// if there is one, else the first under the program's own name.
///
/// # Errors
/// There is none.
pub(super) fn pick(
    given: Option<(&str, &str)>,
    program: &str,
    types: &[&'static dyn MachineType],
) -> Result<&'static dyn MachineType, CliError> {
    if let Some((name, argument)) = given {
        let own = of_program(program, types).unwrap_or_default();
        let mut kinds = own.iter().chain(types).copied();
        return kinds
            .find(|kind| kind.names().contains(&name))
            .ok_or_else(|| {
                let names: Vec<_> = types
                    .iter()
                    .flat_map(|kind| kind.names())
                    .copied()
                    .collect();
                CliError::new(
                    argument,
                    format!("no machine '{name}', expected one of: {}", names.join(", ")),
                )
            });
    }
    let kinds = of_program(program, types)?;
    let first = kinds.first().copied();
    first.ok_or_else(|| CliError::new("-machine", "this program was built without any machine"))
}
