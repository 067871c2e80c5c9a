//! Code that changes: by the block that runs, by data beside it, by other CPUs.

use crate::toy::{ENGINES, HALT, Machine, PAGE, SVC, insn, op};
use tcg::Options;

const CODE: u64 = 0x2000;
const DATA: u64 = 0x8000;

#[test]
fn the_next_instruction_sees_what_a_store_changed() {
    for engine in ENGINES {
        // The store covers the patched instruction at every distance that still touches it.
        for before in -3i64..8 {
            for place in [CODE, 0x2fe4, 0x2ff6] {
                let machine = Machine::with_engine(engine);
                machine.load(
                    place,
                    &[
                        (op::STORE, 1, 2, 0),
                        (op::ADDI, 3, 3, 1),
                        (op::ADDI, 3, 3, 1),
                        (op::ADDI, 3, 3, 1),
                        (op::ADDI, 3, 3, 1),
                        (op::HALT, 0, 0, 0),
                    ],
                );
                // The third instruction adds 0x100 instead of 1.
                let target = place + 8;
                let start = target.wrapping_add_signed(-before);
                let mut bytes = [0; 8];
                machine.ram.read(start, &mut bytes).unwrap();
                for (at, byte) in (target..).zip(insn(op::ADDI, 3, 3, 0x101)) {
                    if let Some(slot) = bytes.get_mut((at.wrapping_sub(start)) as usize) {
                        *slot = byte;
                    }
                }
                let mut cpu = machine.cpu(place);
                cpu.r[1] = u64::from_be_bytes(bytes);
                cpu.r[2] = start;
                cpu.run();
                // The high byte of the immediate is the one that matters.
                let reached = start <= target + 2 && target + 3 <= start + 8;
                let expected = 4 + if reached { 0x100 } else { 0 };
                assert_eq!(cpu.r[3], expected, "{engine:?} {before} {place:#x}");
                assert_eq!(cpu.traps, [(HALT, place + 20, 4, 5)]);
            }
        }
    }
}

#[test]
fn an_instruction_is_finished_before_the_changed_code_runs() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        // The first of its two stores changes the next instruction.
        machine.load(
            CODE,
            &[
                (op::STORE_PAIR, 1, 2, 0),
                (op::ADDI, 3, 1, 0),
                (op::HALT, 0, 0, 0),
            ],
        );
        let mut cpu = machine.cpu(CODE);
        let patched = [insn(op::ADDI, 3, 1, 0x10), insn(op::HALT, 0, 0, 0)].concat();
        cpu.r[1] = u64::from_be_bytes(patched.try_into().unwrap());
        cpu.r[2] = CODE + 4;
        let stored = cpu.r[1];
        cpu.run();
        assert_eq!(cpu.r[1], stored + 1);
        assert_eq!(cpu.r[3], stored + 1 + 0x10);
        assert_eq!(machine.word(CODE + 12), stored + 1);
    }
}

#[test]
fn every_way_to_store_is_seen() {
    let ways = [
        ("copy from before the code", (op::COPY, 4, 5, 0x40)),
        ("absolute store", (op::STORE_REAL, 1, 2, 0)),
        ("interlocked addition", (op::FETCH_ADD, 6, 2, 0)),
        ("compare and swap", (op::SWAP, 7, 2, 0)),
        ("byte", (op::STORE_BYTE, 8, 2, 3)),
    ];
    for engine in ENGINES {
        for (what, way) in ways {
            let machine = Machine::with_engine(engine);
            // One of these is changed to add 7.
            let code = [
                way,
                (op::ADDI, 9, 9, 0),
                (op::ADDI, 3, 3, 1),
                (op::ADDI, 3, 3, 1),
                (op::HALT, 0, 0, 0),
            ];
            machine.load(CODE, &code);
            let mut cpu = machine.cpu(CODE);
            let word = [insn(op::ADDI, 3, 3, 7), insn(op::ADDI, 3, 3, 1)].concat();
            let new = u64::from_be_bytes(word.try_into().unwrap());
            let target = CODE + 8;
            let old = machine.word(target);
            cpu.r[1] = new;
            cpu.r[2] = target;
            // The copy starts a line before the code and ends in it.
            cpu.r[4] = CODE - 0x20;
            cpu.r[5] = DATA;
            let mut image = vec![0; 0x40];
            machine.ram.read(CODE - 0x20, &mut image).unwrap();
            image[0x28..0x30].copy_from_slice(&new.to_be_bytes());
            machine.ram.write(DATA, &image).unwrap();
            cpu.r[6] = new.wrapping_sub(old);
            cpu.r[7] = old;
            cpu.r[8] = 7;
            cpu.run();
            // Compare and swap adds one to the low end of the word.
            let expected = if way.0 == op::SWAP { 1 + 2 } else { 7 + 1 };
            assert_eq!(cpu.r[3], expected, "{what} on {engine:?}");
        }
    }
}

#[test]
fn data_beside_code_drops_no_block() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        // Stores into another line of the page, and into the code's own line behind it.
        machine.load(
            CODE,
            &[
                (op::STORE, 3, 2, 0x100),
                (op::STORE, 3, 2, 0x20),
                (op::ADDI, 3, 3, 1),
                (op::BNE, 3, 4, -12),
                (op::HALT, 0, 0, 0),
            ],
        );
        let mut cpu = machine.cpu(CODE);
        cpu.r[2] = CODE;
        cpu.r[4] = 1000;
        cpu.run();
        let stats = machine.system.cache_stats();
        assert_eq!(stats.invalidated, 0, "{engine:?}");
        assert!(stats.translated <= 3, "{stats:?}");
        assert_eq!(machine.word(CODE + 0x100), 999);
        assert_eq!(machine.word(CODE + 0x20), 999);
    }
}

#[test]
fn a_page_that_held_code_is_data_again() {
    let machine = Machine::new(Options::default());
    machine.load(CODE, &[(op::ADDI, 3, 3, 1), (op::HALT, 0, 0, 0)]);
    let mut cpu = machine.cpu(CODE);
    cpu.run();
    assert_eq!(machine.system.cache_stats().blocks, 1);
    // Another program overwrites it, then goes on storing there.
    machine.load(
        0x4000,
        &[
            (op::STORE, 3, 2, 0),
            (op::ADDI, 3, 3, 1),
            (op::BNE, 3, 4, -8),
            (op::HALT, 0, 0, 0),
        ],
    );
    cpu.core_pc(0x4000);
    cpu.r[2] = CODE;
    cpu.r[4] = 100;
    cpu.run();
    assert_eq!(machine.system.cache_stats().invalidated, 1);
}

#[test]
fn code_that_a_device_changed_is_translated_again() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        machine.load(CODE, &[(op::ADDI, 3, 3, 1), (op::HALT, 0, 0, 0)]);
        let mut cpu = machine.cpu(CODE);
        cpu.run();
        machine.load(CODE, &[(op::ADDI, 3, 3, 0x10)]);
        machine.system.code_changed(CODE, 4);
        cpu.core_pc(CODE);
        cpu.run();
        assert_eq!(cpu.r[3], 0x11);
    }
}

#[test]
fn another_cpu_sees_changed_code_while_it_loops_there() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        // A chained loop of two blocks, which never ends by itself.
        machine.load(
            CODE,
            &[
                (op::ADDI, 3, 3, 1),
                (op::BNE, 3, 4, 8),
                (op::HALT, 0, 0, 0),
                (op::STORE, 3, 6, 0),
                (op::BNE, 3, 4, -16),
                (op::HALT, 0, 0, 0),
            ],
        );
        let mut looping = machine.cpu(CODE);
        looping.r[6] = DATA;
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                looping.run();
                looping
            });
            while machine.word(DATA) < 100 {
                std::thread::yield_now();
            }
            // The other CPU makes its second block end.
            machine.load(0x6000, &[(op::STORE, 1, 2, 0), (op::HALT, 0, 0, 0)]);
            let mut other = machine.cpu(0x6000);
            let halt = [insn(op::HALT, 0, 0, 0), insn(op::HALT, 0, 0, 0)].concat();
            other.r[1] = u64::from_be_bytes(halt.try_into().unwrap());
            other.r[2] = CODE + 12;
            other.run();
            let looped = thread.join().unwrap();
            assert_eq!(looped.traps[0].0, HALT);
            assert_eq!(looped.traps[0].1, CODE + 12);
            assert_eq!(looped.r[3], machine.word(DATA) + 1);
        });
    }
}

#[test]
fn a_block_over_two_pages_follows_both_mappings() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        let start = 0x2ff8;
        machine.load(start, &[(op::ADDI, 3, 3, 1), (op::ADDI, 3, 3, 1)]);
        machine.load(0x3000, &[(op::ADDI, 3, 3, 0x10), (op::HALT, 0, 0, 0)]);
        machine.load(0x7000, &[(op::ADDI, 3, 3, 0x100), (op::HALT, 0, 0, 0)]);
        let mut cpu = machine.cpu(start);
        cpu.run();
        assert_eq!(cpu.r[3], 0x12);
        machine.tables.map(0, 3, 0x7000);
        machine.system.flush_all_cpus();
        cpu.core_pc(start);
        cpu.run();
        assert_eq!(cpu.r[3], 0x12 + 0x102);
        // Without the second page the block ends before it, and then the fetch traps.
        machine.tables.map(0, 3, crate::toy::ABSENT);
        machine.system.flush_all_cpus();
        cpu.core_pc(start);
        cpu.traps.clear();
        cpu.run();
        assert_eq!(cpu.r[3], 0x12 + 0x102 + 2);
        assert_eq!(cpu.traps[0].0, PAGE);
        assert_eq!((cpu.traps[0].1, cpu.traps[0].2), (0x3000, 0));
    }
}

#[test]
fn calls_between_pages_and_back_are_followed() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        machine.load(
            CODE,
            &[(op::SVC, 0, 0, 1), (op::ADDI, 3, 3, 1), (op::JUMP, 6, 0, 0)],
        );
        machine.load(
            0x5000,
            &[(op::BNE, 3, 4, 8), (op::HALT, 0, 0, 0), (op::JUMP, 7, 0, 0)],
        );
        let mut cpu = machine.cpu(CODE);
        cpu.r[4] = 50;
        cpu.r[6] = 0x5000;
        cpu.r[7] = CODE;
        cpu.run();
        assert_eq!(cpu.r[3], 50);
        let calls = cpu.traps.iter().filter(|t| t.0 == SVC + 1).count();
        assert_eq!(calls, 50);
        // 4 instructions complete a turn (svc traps), and the last turn ends at the halt.
        assert_eq!(cpu.traps.last().unwrap().3, 49 * 4 + 3);
    }
}
