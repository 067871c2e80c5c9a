//! `-device`: what is added to a machine.
//!
//! Not here: whether the machine has such a device, which is known when the whole line is read.

use machine::{Device, DeviceNumber, NetDevice};

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
    Driver {
        name: "virtio-net-ccw",
        arch: "s390x",
        bus: "virtual-css-bus",
        description: "a network device without a peer, devno=fe.S.NNNN, mac=ADDRESS",
    },
    Driver {
        name: "diag288",
        arch: "s390x",
        bus: "System",
        description: "the watchdog of DIAGNOSE X'288'; see -watchdog-action",
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
        "virtio-net-ccw" | "virtio-net" => {
            let net = net_device(&mut kv)?;
            Wanted::Device(Device::VirtioNetCcw(net))
        }
        "diag288" => Wanted::Device(Device::Diag288),
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

fn net_device(kv: &mut KeyVals) -> Result<NetDevice, CliError> {
    if let Some(netdev) = kv.take("netdev")? {
        return Err(kv.error(format!(
            "there is no network backend '{netdev}': this version has none, and a device without \
             'netdev' has no peer"
        )));
    }
    let mac = match kv.take("mac")? {
        None => None,
        Some(text) => Some(mac(&text).ok_or_else(|| {
            kv.error(format!(
                "parameter 'mac' does not accept value '{text}', expected six bytes as \
                 52:54:00:12:34:56, the first one even"
            ))
        })?),
    };
    let at = match kv.take("devno")? {
        None => None,
        Some(text) => Some(device_number(&text).ok_or_else(|| {
            kv.error(format!(
                "parameter 'devno' does not accept value '{text}', expected fe.0.0000 to \
                 fe.3.ffff"
            ))
        })?),
    };
    Ok(NetDevice { mac, at })
}

/// An address of one station.
fn mac(text: &str) -> Option<[u8; 6]> {
    const GROUP: u8 = 1;
    let mut bytes = [0; 6];
    let mut words = text.split([':', '-']);
    for byte in &mut bytes {
        let word = words.next().filter(|word| matches!(word.len(), 1 | 2))?;
        *byte = u8::from_str_radix(word, 16).ok()?;
    }
    (words.next().is_none() && bytes[0] & GROUP == 0).then_some(bytes)
}

/// CSSID, subchannel set and device number, in hexadecimal digits.
fn device_number(text: &str) -> Option<DeviceNumber> {
    const VIRTUAL_CSSID: &str = "fe";
    let mut words = text.split('.');
    let (cssid, set, number) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !cssid.eq_ignore_ascii_case(VIRTUAL_CSSID) {
        return None;
    }
    let set = u8::from_str_radix(set, 16).ok().filter(|set| *set < 4)?;
    let number = u16::from_str_radix(number, 16).ok()?;
    Some(DeviceNumber { set, number })
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
    fn a_network_device_has_a_place_and_an_address() {
        let device = |text: &str| match parse_device("-device", text) {
            Ok(Asked {
                wanted: Wanted::Device(Device::VirtioNetCcw(net)),
                ..
            }) => Ok(net),
            Ok(_) => panic!("another device"),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(device("virtio-net-ccw"), Ok(NetDevice::default()));
        assert_eq!(
            device("virtio-net,id=n,mac=52:54:00:aB:c:56,devno=fe.1.01ff"),
            Ok(NetDevice {
                mac: Some([0x52, 0x54, 0, 0xab, 0x0c, 0x56]),
                at: Some(DeviceNumber {
                    set: 1,
                    number: 0x1ff
                }),
            })
        );
        for wrong in [
            "mac=52:54:00:12:34",
            "mac=53:54:00:12:34:56",
            "mac=52:54:00:12:34:56:7",
            "devno=0.0.0000",
            "devno=fe.4.0000",
            "devno=fe.0.10000",
            "netdev=n0",
        ] {
            assert!(
                device(&format!("virtio-net-ccw,{wrong}")).is_err(),
                "{wrong}"
            );
        }
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
