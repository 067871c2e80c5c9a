//! `-device MODEL-s390x-cpu` and `device_add` of one: a CPU more.
//!
//! Not here: whether there can be such a CPU, which the machine says.

use machine::{CpuDevice, CpuPlace, Device, Entitlement};

use super::devices::{Wanted, parse_device};
use super::{CliError, KeyVals};

/// The drivers.
pub(super) const DRIVERS: &[&str] = &["qemu-s390x-cpu", "max-s390x-cpu", "zEC12-s390x-cpu"];

/// The words after the driver.
pub(super) fn parse(driver: &'static str, kv: &mut KeyVals) -> Result<CpuDevice, CliError> {
    const ENTITLEMENTS: &[(&str, Entitlement)] = &[
        ("auto", Entitlement::Medium),
        ("low", Entitlement::Low),
        ("medium", Entitlement::Medium),
        ("high", Entitlement::High),
    ];
    let core_id = kv
        .number("core-id")?
        .ok_or_else(|| kv.error("parameter 'core-id' is missing, expected the CPU's number"))?;
    let (drawer, book, socket) = (
        kv.number("drawer-id")?,
        kv.number("book-id")?,
        kv.number("socket-id")?,
    );
    let place = match (drawer, book, socket) {
        (None, None, None) => None,
        _ => Some(CpuPlace {
            drawer: drawer.unwrap_or(0),
            book: book.unwrap_or(0),
            socket: socket.unwrap_or(0),
        }),
    };
    let entitlement = kv.choice("entitlement", ENTITLEMENTS)?.unwrap_or_default();
    let dedicated = kv.switch("dedicated")?.unwrap_or(false);
    if dedicated && entitlement == Entitlement::Low {
        return Err(kv.error("a dedicated CPU cannot have entitlement=low"));
    }
    Ok(CpuDevice {
        driver,
        core_id,
        place,
        // As QEMU has it: dedicated CPUs are entitled to a whole one.
        entitlement: if dedicated {
            Entitlement::High
        } else {
            entitlement
        },
        dedicated,
    })
}

/// What `device_add` is asked for: a CPU, and its id if one is given.
///
/// # Errors
/// A sentence on what is wrong with it; other devices cannot be added to a machine that is there.
pub fn parse_added(text: &str) -> Result<(CpuDevice, Option<String>), CliError> {
    let id = KeyVals::parse("device_add", text, Some("driver"))?.take("id")?;
    match parse_device("device_add", text)?.wanted {
        Wanted::Device(Device::Cpu(cpu)) => Ok((cpu, id)),
        _ => Err(CliError::new(
            format!("device_add {text}"),
            "this device does not support hotplugging, CPUs do",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_has_a_number_and_may_have_a_place() {
        let (cpu, id) = parse_added("qemu-s390x-cpu,core-id=7,id=late").unwrap();
        assert_eq!(
            (cpu.core_id, cpu.place, id.as_deref()),
            (7, None, Some("late"))
        );
        let (cpu, _) = parse_added(
            "driver=max-s390x-cpu,core-id=3,drawer-id=1,book-id=0,socket-id=2,dedicated=true",
        )
        .unwrap();
        let place = CpuPlace {
            drawer: 1,
            book: 0,
            socket: 2,
        };
        assert_eq!(
            (cpu.place, cpu.entitlement),
            (Some(place), Entitlement::High)
        );
        for wrong in [
            "qemu-s390x-cpu",
            "qemu-s390x-cpu,core-id=x",
            "qemu-s390x-cpu,core-id=1,entitlement=some",
            "qemu-s390x-cpu,core-id=1,dedicated=on,entitlement=low",
            "sclpconsole",
            "host-s390x-cpu,core-id=1",
        ] {
            assert!(parse_added(wrong).is_err(), "{wrong}");
        }
    }
}
