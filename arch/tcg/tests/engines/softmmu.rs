//! The softmmu: precise traps, address spaces, dirty marks, several CPUs.

use std::sync::Arc;

use crate::toy::{ABSENT, ALIGN, ENGINES, HALT, Machine, PAGE, RAM, STOP, op};
use tcg::ir::{AtomicOp, MemMode, MemOp, MemSize};
use tcg::{EngineKind, Guest, Options, mem};

const CODE: u64 = 0x2000;
const M: MemMode = MemMode(0);

#[test]
fn a_trap_shows_the_state_before_its_instruction() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        machine.tables.map(0, 0x20, ABSENT);
        machine.load(
            CODE,
            &[
                (op::ADDI, 3, 3, 1),
                (op::LOAD, 3, 2, 0),
                (op::ADDI, 3, 3, 1),
                (op::HALT, 0, 0, 0),
            ],
        );
        // An ordinary page that is absent, and an operand that begins before it.
        for address in [0x20_000, 0x1_fffc] {
            let mut cpu = machine.cpu(CODE);
            cpu.r[2] = address;
            cpu.run();
            assert_eq!(cpu.traps, [(PAGE, CODE + 4, 4, 1)], "{engine:?}");
            assert_eq!(cpu.r[3], 1);
            assert_eq!(cpu.core().insns, 1);
        }
    }
}

#[test]
fn a_store_over_an_absent_page_stores_nothing() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        machine.tables.map(0, 0x20, ABSENT);
        machine.load(CODE, &[(op::STORE, 3, 2, 0), (op::HALT, 0, 0, 0)]);
        let mut cpu = machine.cpu(CODE);
        cpu.r[2] = 0x1_fffc;
        cpu.r[3] = u64::MAX;
        cpu.run();
        assert_eq!(cpu.traps[0].0, PAGE);
        assert_eq!(machine.word(0x1_fff8), 0);
    }
}

#[test]
fn an_interlocked_update_demands_alignment() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        machine.load(CODE, &[(op::FETCH_ADD, 3, 2, 4), (op::HALT, 0, 0, 0)]);
        let mut cpu = machine.cpu(CODE);
        cpu.r[2] = 0x8000;
        cpu.run();
        assert_eq!(cpu.traps, [(ALIGN, CODE, 4, 0)]);
    }
}

#[test]
fn spaces_keep_their_translations() {
    let machine = Machine::new(Options::default());
    // Page 8 is another one in space 1.
    machine.tables.map(1, 8, 0x9000);
    machine.ram.write(0x8000, &7u64.to_be_bytes()).unwrap();
    machine.ram.write(0x9000, &9u64.to_be_bytes()).unwrap();
    machine.load(
        CODE,
        &[
            (op::LOAD, 3, 2, 0),
            (op::SPACE, 0, 0, 1),
            (op::LOAD, 4, 2, 0),
            (op::SPACE, 0, 0, 0),
            (op::BNE, 5, 6, 8),
            (op::HALT, 0, 0, 0),
            (op::ADDI, 5, 5, 1),
            (op::JUMP, 7, 0, 0),
        ],
    );
    let mut cpu = machine.cpu(CODE);
    cpu.r[2] = 0x8000;
    cpu.r[6] = 100;
    cpu.r[7] = CODE;
    cpu.run();
    assert_eq!((cpu.r[3], cpu.r[4]), (7, 9));
    // Pages 2 and 8 in each space share slots with nothing else, but with each other's space:
    // at most one walk for each switch and page.
    assert!(cpu.walks <= 4 * 101 + 4, "{} walks", cpu.walks);
    // Pages of different slots in two spaces are walked once.
    machine.load(
        CODE,
        &[
            (op::LOAD, 3, 2, 0),
            (op::BNE, 5, 6, 8),
            (op::HALT, 0, 0, 0),
            (op::ADDI, 5, 5, 1),
            (op::SPACE, 0, 0, 0),
            (op::JUMP, 7, 0, 0),
        ],
    );
    machine.system.code_changed(CODE, 64);
    let mut cpu = machine.cpu(CODE);
    cpu.r[2] = 0x8000;
    cpu.r[6] = 100;
    cpu.r[7] = CODE;
    cpu.run();
    assert!(cpu.walks <= 2, "{} walks", cpu.walks);
}

#[test]
fn writes_are_marked_while_marks_are_on() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        machine.load(
            CODE,
            &[
                (op::STORE, 3, 2, 0),
                (op::STORE, 3, 2, 0xffc),
                (op::FETCH_ADD, 3, 4, 0),
                (op::COPY, 5, 2, 16),
                (op::STORE_REAL, 3, 6, 0),
                (op::LOAD, 3, 7, 0),
                (op::HALT, 0, 0, 0),
            ],
        );
        let mut cpu = machine.cpu(CODE);
        let mut go = |system_on: bool| {
            cpu.core_pc(CODE);
            (cpu.r[2], cpu.r[4], cpu.r[5]) = (0x8000, 0xa000, 0xb000);
            (cpu.r[6], cpu.r[7]) = (0xc000, 0xd000);
            cpu.run();
            let marked: Vec<u64> = (0..RAM / 4096)
                .filter(|page| machine.ram.is_dirty(page * 4096))
                .collect();
            assert_eq!(cpu.traps.last().unwrap().0, HALT);
            if system_on {
                assert_eq!(marked, [8, 9, 0xa, 0xb, 0xc], "{engine:?}");
            } else {
                assert_eq!(marked, [] as [u64; 0], "{engine:?}");
            }
            machine.ram.clear_dirty(0, RAM);
            machine.system.dirty_marks_cleared();
        };
        machine.ram.clear_dirty(0, RAM);
        go(false);
        machine.system.dirty_tracking(true);
        go(true);
        go(true);
        machine.system.dirty_tracking(false);
    }
}

#[test]
fn interlocked_updates_of_several_cpus_add_up() {
    const CPUS: u64 = 4;
    const TURNS: u64 = 5_000;
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        // An interlocked addition, and a compare-and-swap loop, on two words.
        machine.load(
            CODE,
            &[
                (op::ADDI, 5, 8, 1),
                (op::FETCH_ADD, 5, 2, 0),
                (op::LOAD, 6, 2, 8),
                (op::ADDI, 7, 6, 0),
                (op::SWAP, 7, 2, 8),
                (op::BNE, 6, 7, -12),
                (op::ADDI, 3, 3, 1),
                (op::BNE, 3, 4, -28),
                (op::HALT, 0, 0, 0),
            ],
        );
        std::thread::scope(|scope| {
            for _ in 0..CPUS {
                let mut cpu = machine.cpu(CODE);
                cpu.r[2] = 0x8000;
                cpu.r[4] = TURNS;
                scope.spawn(move || cpu.run());
            }
        });
        assert_eq!(machine.word(0x8000), CPUS * TURNS, "{engine:?}");
        assert_eq!(machine.word(0x8008), CPUS * TURNS, "{engine:?}");
    }
}

#[test]
fn interlocked_updates_work_at_every_size() {
    let machine = Machine::new(Options::default());
    let mut cpu = machine.cpu(0);
    let mem_op = |size, signed| MemOp {
        size,
        signed,
        aligned: false,
        mode: M,
    };
    let all = [
        (AtomicOp::Add, 0xfeu64, 3u64, 0x01u64),
        (AtomicOp::And, 0xf3, 0x3c, 0x30),
        (AtomicOp::Or, 0xf3, 0x0c, 0xff),
        (AtomicOp::Xor, 0xff, 0x0f, 0xf0),
        (AtomicOp::Exchange, 0x12, 0x34, 0x34),
    ];
    for (op, old, v, new) in all {
        let at = 0x8000;
        machine.ram.write(at, &[9, old as u8, 9]).unwrap();
        let got = mem::atomic(&mut cpu, op, mem_op(MemSize::B1, false), at + 1, v).unwrap();
        assert_eq!(got, old);
        let mut bytes = [0; 3];
        machine.ram.read(at, &mut bytes).unwrap();
        assert_eq!(bytes, [9, new as u8, 9], "{op:?}");
    }
    machine.ram.write(0x8010, &[0xff; 8]).unwrap();
    let old = mem::atomic(
        &mut cpu,
        AtomicOp::Add,
        mem_op(MemSize::B4, false),
        0x8010,
        1,
    )
    .unwrap();
    assert_eq!(old, 0xffff_ffff);
    assert_eq!(machine.word(0x8010), 0xffff_ffff);
    // Sixteen bytes.
    let (one, two) = (1u128 << 64 | 2, 3u128 << 64 | 4);
    mem::store_16(&mut cpu, M, 0x8020, one).unwrap();
    assert_eq!(mem::load_16(&mut cpu, M, 0x8020).unwrap(), one);
    assert_eq!(
        mem::compare_swap_16(&mut cpu, M, 0x8020, two, 0).unwrap(),
        one
    );
    assert_eq!(
        mem::compare_swap_16(&mut cpu, M, 0x8020, one, two).unwrap(),
        one
    );
    assert_eq!((machine.word(0x8020), machine.word(0x8028)), (3, 4));
    assert!(mem::load_16(&mut cpu, M, 0x8028).is_err());
}

#[test]
fn copies_go_byte_by_byte_from_left_to_right() {
    let machine = Machine::new(Options::default());
    let mut cpu = machine.cpu(0);
    // Pages 8 and 9 are the same page, so that overlap hides behind addresses.
    machine.tables.map(0, 9, 0x8000);
    let image: Vec<u8> = (0..4096u32).map(|n| (n * 7 + n / 256) as u8).collect();
    for (to, from, length) in [
        (0x8100u64, 0x8000u64, 256u64),
        (0x8001, 0x8000, 256),
        (0x8003, 0x8000, 300),
        (0x8000, 0x8001, 256),
        (0x8000, 0x8000, 100),
        (0x8ff0, 0x8fe8, 40),
        (0x8fe8, 0x8ff0, 40),
        (0x9001, 0x8000, 64),
        (0x8fff, 0x7fff, 4096),
    ] {
        machine.ram.write(0x7000, &image).unwrap();
        machine.ram.write(0x8000, &image).unwrap();
        let absolute = |a: u64| if a >> 12 == 9 { a - 0x1000 } else { a } as usize;
        let mut expected = vec![0; 0xa000];
        machine.ram.read(0, &mut expected).unwrap();
        for i in 0..length {
            expected[absolute(to + i)] = expected[absolute(from + i)];
        }
        mem::copy_forward(&mut cpu, M, to, M, from, length).unwrap();
        let mut got = vec![0; 0xa000];
        machine.ram.read(0, &mut got).unwrap();
        assert!(got == expected, "{to:#x} {from:#x} {length}");
    }
}

#[test]
fn bytes_are_combined_and_compared() {
    let machine = Machine::new(Options::default());
    let mut cpu = machine.cpu(0);
    let image: Vec<u8> = (0..4096u32).map(|n| (n % 251) as u8).collect();
    for (to, from, length) in [
        (0x8ff0u64, 0x7003u64, 300u64),
        (0x8001, 0x8000, 20),
        (0x8000, 0x8001, 20),
        (0x8f80, 0x8f80, 256),
    ] {
        for (op, f) in [
            (mem::BytesOp::Xor, (|a, b| a ^ b) as fn(u8, u8) -> u8),
            (mem::BytesOp::And, |a, b| a & b),
            (mem::BytesOp::Or, |a, b| a | b),
        ] {
            machine.ram.write(0x7000, &image).unwrap();
            machine.ram.write(0x8000, &image).unwrap();
            let mut expected = vec![0; 0xa000];
            machine.ram.read(0, &mut expected).unwrap();
            let mut any = false;
            for i in 0..length {
                let v = f(expected[(to + i) as usize], expected[(from + i) as usize]);
                expected[(to + i) as usize] = v;
                any |= v != 0;
            }
            assert_eq!(mem::combine(&mut cpu, op, M, to, M, from, length), Ok(any));
            let mut got = vec![0; 0xa000];
            machine.ram.read(0, &mut got).unwrap();
            assert!(got == expected, "{op:?} {to:#x} {from:#x} {length}");
        }
    }
    machine.ram.write(0x7000, &image).unwrap();
    machine.ram.write(0x8000, &image).unwrap();
    assert_eq!(mem::compare(&mut cpu, M, 0x7000, M, 0x8000, 4096), Ok(None));
    machine.ram.write(0x8fff, &[0xaa]).unwrap();
    let found = mem::compare(&mut cpu, M, 0x7f80, M, 0x8f80, 200).unwrap();
    assert_eq!(found, Some((127, image[4095], 0xaa)));
    machine.tables.map(0, 0xa, ABSENT);
    assert!(mem::fill(&mut cpu, M, 0x9fff, 1, 2).is_err());
    assert_eq!(machine.word(0x9ff8), 0);
}

#[test]
fn a_remapped_page_is_gone_from_every_cpu() {
    const TURNS: u64 = 300;
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        // The first CPU maps page 8 to one of two pages in turn, then says which in a word.
        machine.ram.write(0xa000, &0xa000u64.to_be_bytes()).unwrap();
        machine.ram.write(0xb000, &0xb000u64.to_be_bytes()).unwrap();
        machine.tables.map(0, 8, 0xb000);
        machine.load(
            CODE,
            &[
                (op::XOR, 9, 10, 0),
                (op::REMAP, 2, 9, 0),
                (op::STORE, 9, 11, 0),
                // Waits for the answer.
                (op::LOAD, 12, 11, 8),
                (op::BNE, 12, 9, -4),
                (op::ADDI, 3, 3, 1),
                (op::BNE, 3, 4, -24),
                (op::HALT, 0, 0, 0),
            ],
        );
        // The second one reads page 8 when it is told, and answers what it read.
        machine.load(
            0x3000,
            &[
                (op::LOAD, 5, 11, 0),
                (op::BNE, 5, 6, 8),
                (op::JUMP, 7, 0, 0),
                (op::LOAD, 8, 2, 0),
                (op::ADDI, 6, 5, 0),
                (op::STORE, 8, 11, 8),
                (op::ADDI, 3, 3, 1),
                (op::BNE, 3, 4, -28),
                (op::HALT, 0, 0, 0),
            ],
        );
        std::thread::scope(|scope| {
            let mut first = machine.cpu(CODE);
            first.r[9] = 0xb000;
            first.r[10] = 0x1000;
            let mut second = machine.cpu(0x3000);
            second.r[7] = 0x3000;
            for cpu in [&mut first, &mut second] {
                cpu.r[2] = 0x8000;
                cpu.r[4] = TURNS;
                cpu.r[11] = 0xc000;
            }
            scope.spawn(move || first.run());
            scope.spawn(move || second.run());
        });
        assert_eq!(machine.word(0xc000), machine.word(0xc008));
    }
}

#[test]
fn two_cpus_that_purge_each_other_both_go_on() {
    let machine = Machine::new(Options::default());
    machine.load(
        CODE,
        &[
            (op::PURGE, 2, 0, 0),
            (op::LOAD, 5, 2, 0),
            (op::ADDI, 3, 3, 1),
            (op::BNE, 3, 4, -12),
            (op::HALT, 0, 0, 0),
        ],
    );
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mut cpu = machine.cpu(CODE);
            cpu.r[2] = 0x8000;
            cpu.r[4] = 500;
            scope.spawn(move || {
                cpu.run();
                assert_eq!(cpu.traps[0].0, HALT);
            });
        }
    });
}

#[test]
fn chained_loops_see_attention() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        // Within a block, between blocks of a page, and through a register.
        for code in [
            vec![
                (op::STORE, 4, 6, 0),
                (op::BNE, 3, 4, -4),
                (op::HALT, 0, 0, 0),
            ],
            vec![
                (op::STORE, 4, 6, 0),
                (op::BNE, 3, 4, 8),
                (op::HALT, 0, 0, 0),
                (op::BNE, 3, 4, -12),
                (op::HALT, 0, 0, 0),
            ],
            vec![(op::STORE, 4, 6, 0), (op::JUMP, 7, 0, 0)],
        ] {
            machine.load(CODE, &code);
            machine.system.forget_blocks();
            let mut cpu = machine.cpu(CODE);
            cpu.r[4] = u64::MAX;
            cpu.r[6] = 0x8000;
            cpu.r[7] = CODE;
            machine.ram.write(0x8000, &[0; 8]).unwrap();
            let attention = Arc::clone(cpu.core().attention());
            std::thread::scope(|scope| {
                let thread = scope.spawn(move || {
                    cpu.run();
                    cpu
                });
                while machine.word(0x8000) == 0 {
                    std::thread::yield_now();
                }
                attention.raise(STOP);
                let cpu = thread.join().unwrap();
                assert!(cpu.traps.is_empty() && cpu.polls == 1);
                assert!((CODE..CODE + 20).contains(&cpu.core().pc));
                assert!(cpu.core().insns > 0);
            });
        }
    }
}

#[test]
fn a_guest_that_translates_for_ever_stays_within_the_bound() {
    const LIMIT: usize = 96 << 10;
    let engines = ENGINES
        .into_iter()
        .filter(|&(engine, cold_runs)| engine != EngineKind::Reference && cold_runs == 0);
    for ((engine, cold_runs), cpus) in engines.flat_map(|way| [(way, 1), (way, 3)]) {
        let machine = Machine::new(Options {
            engine,
            cold_runs,
            cache_bytes: LIMIT,
            ..Options::default()
        });
        // A chain of jumps through 4000 places, which ends where it began.
        const PLACES: u64 = 4000;
        let place = |n: u64| 0x4000 + n % PLACES * 32;
        for n in 0..PLACES {
            let last = n + 1 == PLACES;
            machine.load(
                place(n),
                &[
                    (op::ADDI, 3, 3, 1),
                    (op::ADDI, 8, 8, 32),
                    if last {
                        (op::BNE, 3, 4, 8)
                    } else {
                        (op::JUMP, 8, 0, 0)
                    },
                    (op::HALT, 0, 0, 0),
                    (op::ADDI, 8, 9, 0),
                    (op::JUMP, 8, 0, 0),
                ],
            );
        }
        std::thread::scope(|scope| {
            for _ in 0..cpus {
                let mut cpu = machine.cpu(place(0));
                (cpu.r[8], cpu.r[9]) = (place(0), place(0));
                cpu.r[4] = 5 * PLACES;
                scope.spawn(move || {
                    cpu.run();
                    assert_eq!(cpu.r[3], 5 * PLACES);
                });
            }
            for _ in 0..20 {
                let stats = machine.system.cache_stats();
                assert!(stats.bytes <= LIMIT, "{stats:?}");
                assert!(stats.garbage_bytes <= 3 * LIMIT, "{stats:?}");
                std::thread::yield_now();
            }
        });
        let stats = machine.system.cache_stats();
        assert!(stats.overflows > 10, "{stats:?}");
        assert!(stats.translated >= 5 * PLACES, "{stats:?}");
        assert!(stats.garbage_bytes <= 3 * LIMIT, "{stats:?}");
    }
}
