//! States that older versions of this program have saved, kept as bytes.

use std::path::Path;
use std::sync::Arc;

use machine::{CpuMove, CpuShape, Entitlement};
use tod::RunState;

use crate::rig::{ENGINES, Kind, Vm};

/// Bytes written as hexadecimal digits in lines.
fn saved(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/saved");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
}

fn vm() -> Vm {
    let kind = Kind::image("hello", "", 2);
    Vm::new(&kind, ENGINES[0], &Arc::default(), RunState::Inmigrate)
}

/// Version 1 has no load or check-stop state, no crash, and no last value of STORE CLOCK.
#[test]
fn a_cpu_of_version_1() {
    let vm = vm();
    let bytes = saved("s390x-cpu-1.hex");
    vm.load_part(&("s390x-cpu", 1, 1, bytes.clone())).unwrap();
    let text = vm.machine().registers(1).unwrap();
    for value in [
        "0704100180000000",
        "0000000000012346",
        "2222222222222222",
        "4000000000000f0f",
        "PREFIX=00016000",
        "CPUTM=7fffffff00001234",
    ] {
        assert!(text.contains(value), "{value} is not in\n{text}");
    }
    assert_eq!(vm.machine().cpus()[1].state, "operating");
    let parts = vm.save_parts();
    let (_, _, version, new) = parts.last().unwrap();
    assert_eq!(*version, 5);
    // The state is 4 bytes then, and absent values are one each.
    assert_eq!(new[..4], [1, 0, 0, 0]);
    // Nor has it set the clock, nor has it a signal of a CPU from 64 on, nor anything in vector
    // registers beyond the floating-point registers.
    const VECTORS: usize = 48 * 8;
    let end = new.len() - 34 - VECTORS;
    assert_eq!(new[4..end], bytes[1..]);
    assert_eq!(new[end..], [0; 34 + VECTORS]);
    // The left half of vector register 31 is the last.
    let mut vectors = new.clone();
    *vectors.last_mut().unwrap() = 7;
    let part = ("s390x-cpu", 1, 5, vectors);
    vm.load_part(&part).unwrap();
    assert_eq!(vm.save_parts().last().unwrap().3, part.3);
    // Version 4 did not have them.
    let four = new[..end + 34].to_vec();
    vm.load_part(&("s390x-cpu", 1, 4, four)).unwrap();
    assert_eq!(vm.save_parts().last().unwrap().3, *new);
    // Version 3 did not have the last.
    let three = new[..end + 10].to_vec();
    vm.load_part(&("s390x-cpu", 1, 3, three)).unwrap();
    assert_eq!(vm.save_parts().last().unwrap().3, *new);
    // Version 2 did not have that.
    let two = new[..end + 2].to_vec();
    vm.load_part(&("s390x-cpu", 1, 2, two)).unwrap();
    assert_eq!(vm.save_parts().last().unwrap().3, *new);
    // Version 1's other state.
    let mut stopped = bytes;
    stopped[0] = 0;
    vm.load_part(&("s390x-cpu", 1, 1, stopped)).unwrap();
    assert_eq!(vm.machine().cpus()[1].state, "stopped");
    vm.end();
}

/// Version 1 names no facilities beyond the facility list. The guest keeps the list that it knew.
#[test]
fn a_machine_of_version_1() {
    let vm = vm();
    let bytes = saved("s390x-machine-1.hex");
    vm.load_part(&("s390x-machine", 0, 1, bytes.clone()))
        .unwrap();
    let (_, _, version, new) = vm.save_parts().swap_remove(0);
    assert_eq!(version, 2);
    const LIST: std::ops::Range<usize> = 12..12 + 32;
    let list = &bytes[LIST];
    assert!(new.windows(list.len()).any(|bytes| bytes == list));
    vm.end();
}

/// A machine with less refuses by name what it lacks; one with more shows what the guest knew.
#[test]
fn facilities_stay_as_the_guest_knew_them() {
    let kind = |cpu| Kind {
        cpu: Some(cpu),
        ..Kind::image("hello", "", 1)
    };
    let vm = |cpu| Vm::new(&kind(cpu), ENGINES[0], &Arc::default(), RunState::Inmigrate);
    let (all, less) = (vm("qemu"), vm("qemu,mvcos=off,esop=off,sea_esop2=off"));
    let (rich, poor) = (all.save_parts(), less.save_parts());
    let refused = less.load_part(&rich[0]).unwrap_err().to_string();
    assert!(
        refused.contains("lack (-cpu): mvcos, sea_esop2, esop"),
        "{refused}"
    );
    assert_eq!(less.save_parts()[0], poor[0]);
    all.load_part(&poor[0]).unwrap();
    assert_eq!(all.save_parts()[0], poor[0]);
    // What is installed has not become less.
    all.load_part(&rich[0]).unwrap();
    assert_eq!(all.save_parts()[0], rich[0]);
    all.end();
    less.end();
}

/// Where CPUs are and what has not been reported of it moves; a machine of another shape refuses.
#[test]
fn the_topology_moves_where_it_is_shown() {
    let vm = |cpu, shape| {
        let kind = Kind {
            cpu: Some(cpu),
            shape,
            ..Kind::image("hello", "", 4)
        };
        Vm::new(&kind, ENGINES[0], &Arc::default(), RunState::Inmigrate)
    };
    let shape = Some(CpuShape {
        drawers: 1,
        books: 2,
        sockets: 2,
        cores: 1,
    });
    let (here, there) = (vm("max", shape), vm("max", shape));
    let to = CpuMove {
        entitlement: Some(Entitlement::High),
        dedicated: Some(true),
        ..CpuMove::default()
    };
    here.machine().move_cpu(3, &to).unwrap();
    let saved = here.save_parts().swap_remove(0);
    assert_ne!(there.save_parts()[0], saved);
    there.load_part(&saved).unwrap();
    assert_eq!(there.save_parts()[0], saved);
    let topology = there.machine().cpus()[3].topology.unwrap();
    assert!(topology.dedicated && topology.place.book == 1 && topology.place.socket == 1);
    let flat = vm("max", None);
    let refused = flat.load_part(&saved).unwrap_err().to_string();
    assert!(refused.contains("books=2,sockets=2,cores=1"), "{refused}");
    // Who sees none of it does not mind.
    let (blind, flat_blind) = (vm("qemu", shape), vm("qemu", None));
    assert!(blind.machine().move_cpu(3, &to).is_err());
    flat_blind.load_part(&blind.save_parts()[0]).unwrap();
    for vm in [here, there, flat, blind, flat_blind] {
        vm.end();
    }
}

#[test]
fn a_console_of_version_1() {
    let vm = vm();
    let bytes = saved("s390x-sclp-1.hex");
    vm.load_part(&("s390x-sclp", 0, 1, bytes.clone())).unwrap();
    let parts = vm.save_parts();
    assert!(parts.contains(&("s390x-sclp", 0, 1, bytes)));
    vm.end();
}

/// What nobody has written yet is refused by its version.
#[test]
fn versions_to_come() {
    let vm = vm();
    for (name, instance, version, payload) in vm.save_parts() {
        let error = vm
            .load_part(&(name, instance, version + 1, payload))
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("version"), "{text}");
    }
    vm.end();
}
