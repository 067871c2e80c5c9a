//! `-device`: what is added to a machine.
//!
//! Not here: whether the machine has such a device, which is known when the whole line is read.

use machine::Device;

use super::{CliError, KeyVals, cpus};

/// A device, and what is written about it.
pub(super) struct Driver {
    pub(super) name: &'static str,
    /// Architecture of the machines that take it.
    arch: &'static str,
    /// As `-device help` calls it.
    bus: &'static str,
    description: &'static str,
}

const fn cpu(name: &'static str) -> Driver {
    Driver {
        name,
        arch: "s390x",
        bus: "CPU",
        description: "a CPU, core-id=N (with -cpu of that model)",
    }
}

/// The drivers.
pub(super) const DRIVERS: &[Driver] = &[
    Driver {
        name: "sclpconsole",
        arch: "s390x",
        bus: "s390-sclp-events-bus",
        description: "the operator console (VT220), chardev=ID",
    },
    cpu("qemu-s390x-cpu"),
    cpu("max-s390x-cpu"),
    cpu("zEC12-s390x-cpu"),
    Driver {
        name: "isa-debug-exit",
        arch: "x86_64",
        bus: "ISA",
        description: "a write ends the program with status 2 * value + 1, iobase=P, iosize=N",
    },
    Driver {
        name: "pc-testdev",
        arch: "x86_64",
        bus: "ISA",
        description: "what test suites drive the machine with from inside",
    },
];

/// Ports and first port of `isa-debug-exit` where none are given.
const DEBUG_EXIT_BASE: u16 = 0x501;
const DEBUG_EXIT_BYTES: u16 = 2;

/// What `-device` asks for.
pub(super) enum Wanted {
    /// The operator console, on this character device if one is named.
    Console { chardev: Option<String> },
    /// A device of the machine.
    Device(Device),
}

/// A `-device` and the words that asked for it.
pub(super) struct Asked {
    pub(super) wanted: Wanted,
    pub(super) argument: String,
}

/// `-device VALUE`.
pub(super) fn parse_device(typed: &str, value: &str) -> Result<Asked, CliError> {
    let mut kv = KeyVals::parse(typed, value, Some("driver"))?;
    let driver = kv.require("driver", "a device")?;
    // Named for management programs; there is one of each.
    kv.take("id")?;
    let wanted = match driver.as_str() {
        "sclpconsole" => Wanted::Console {
            chardev: kv.take("chardev")?,
        },
        "isa-debug-exit" => {
            let io_base = port(&mut kv, "iobase")?.unwrap_or(DEBUG_EXIT_BASE);
            let io_bytes = port(&mut kv, "iosize")?.unwrap_or(DEBUG_EXIT_BYTES);
            if io_bytes == 0 || io_base.checked_add(io_bytes - 1).is_none() {
                return Err(kv.error("iobase and iosize name no ports, expected some to 0xffff"));
            }
            Wanted::Device(Device::IsaDebugExit { io_base, io_bytes })
        }
        "pc-testdev" => Wanted::Device(Device::PcTestdev),
        name if let Some(driver) = cpus::DRIVERS.iter().find(|driver| **driver == name) => {
            Wanted::Device(Device::Cpu(cpus::parse(driver, &mut kv)?))
        }
        _ => {
            let names: Vec<&str> = DRIVERS.iter().map(|driver| driver.name).collect();
            return Err(kv.error(format!(
                "no device '{driver}' in this version, expected one of: {}",
                names.join(", ")
            )));
        }
    };
    let argument = kv.argument().to_owned();
    kv.finish()?;
    Ok(Asked { wanted, argument })
}

fn port(kv: &mut KeyVals, key: &'static str) -> Result<Option<u16>, CliError> {
    let Some(text) = kv.take(key)? else {
        return Ok(None);
    };
    let number = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map(Some).map_err(|_| {
        kv.error(format!(
            "parameter '{key}' does not accept value '{text}', expected 0 to 0xffff"
        ))
    })
}

/// Whether machines of an architecture take a device.
pub(super) fn check(arch: &str, device: Device, argument: &str) -> Result<(), CliError> {
    let driver = DRIVERS
        .iter()
        .find(|driver| driver.name == device.driver() && driver.arch != arch);
    match driver {
        None => Ok(()),
        Some(driver) => Err(CliError::new(
            argument,
            format!(
                "'{}' is a device of {} machines, this is one of {arch}",
                driver.name, driver.arch
            ),
        )),
    }
}

/// `-device help`, in the form of QEMU's, for scripts look for a name in quotes.
pub(super) fn help() -> String {
    let line = |driver: &Driver| {
        format!(
            "name \"{}\", bus {}, desc \"{}\"\n",
            driver.name, driver.bus, driver.description
        )
    };
    DRIVERS.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_exit_has_qemus_ports_unless_others_are_named() {
        let device = |text: &str| match parse_device("-device", text) {
            Ok(Asked {
                wanted: Wanted::Device(device),
                ..
            }) => Ok(device),
            Ok(_) => panic!("a console"),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(
            device("isa-debug-exit"),
            Ok(Device::IsaDebugExit {
                io_base: 0x501,
                io_bytes: 2
            })
        );
        assert_eq!(
            device("isa-debug-exit,iobase=0xf4,iosize=4,id=x"),
            Ok(Device::IsaDebugExit {
                io_base: 0xF4,
                io_bytes: 4
            })
        );
        assert_eq!(device("pc-testdev"), Ok(Device::PcTestdev));
        assert_eq!(
            device("isa-debug-exit,iobase=0x10000").unwrap_err(),
            "-device isa-debug-exit,iobase=0x10000: parameter 'iobase' does not accept value \
             '0x10000', expected 0 to 0xffff"
        );
        assert!(device("isa-debug-exit,iobase=0xffff,iosize=2").is_err());
        assert!(device("isa-debug-exit,iosize=0").is_err());
    }

    #[test]
    fn a_device_belongs_to_an_architecture() {
        let device = Device::PcTestdev;
        assert_eq!(check("x86_64", device, "-device pc-testdev"), Ok(()));
        assert_eq!(
            check("s390x", device, "-device pc-testdev")
                .unwrap_err()
                .to_string(),
            "-device pc-testdev: 'pc-testdev' is a device of x86_64 machines, this is one of s390x"
        );
    }
}
