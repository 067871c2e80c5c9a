//! Tests of whole instructions: decoded, translated and executed by the engine on a CPU with a
//! little RAM, beside models that go byte by byte.
//!
//! RAM ends soon, so that a fault is an address beyond it. An operation exception behind the
//! instruction says that it was completed.

mod decimal;
mod execute;
mod fields;
mod interlocked;
mod io;
mod long;
mod pages;
mod strings;
mod threads;

use std::sync::Arc;

use machine::{GuestRam, Identity};
use tcg::cpu::System;
use tcg::{CpuCore, mem};

use crate::console::Sclp;
use crate::cpu::handle::CpuState;
use crate::cpu::psw::{self, Psw};
use crate::cpu::{S390Cpu, lowcore};
use crate::machine::shared::test_shared;

/// Bytes of RAM.
const RAM: usize = 0x1_0000;
/// Where instructions are put.
const CODE: u64 = 0x400;

/// How an instruction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Completed, with this condition code.
    Cc(u8),
    /// A program interruption of this code.
    Check(u16),
}

/// Addressing exception.
const ADDRESSING: End = End::Check(5);
/// Specification exception.
const SPECIFICATION: End = End::Check(6);

struct Bench {
    cpu: S390Cpu,
    addressing: u64,
    /// Condition code and program mask before an instruction.
    before: u64,
}

impl Bench {
    fn new() -> Self {
        Self::with_ram(RAM)
    }

    fn with_ram(bytes: usize) -> Self {
        let ram = Arc::new(GuestRam::new(bytes as u64).unwrap());
        let system = System::new(ram);
        let core = CpuCore::new(Arc::clone(&system));
        let (events, _) = crossbeam::channel::unbounded();
        let identity = Identity {
            name: String::new(),
            uuid: None,
        };
        let shared = test_shared(system, Sclp::new(None), identity, events);
        let mut cpu = S390Cpu::new(core, shared, 0);
        cpu.set_state(CpuState::Operating);
        cpu.set_lowcore_psw(
            lowcore::PROGRAM_NEW,
            Psw {
                mask: psw::WAIT | psw::ADDRESSING,
                address: 0xbad,
            },
        );
        Self {
            cpu,
            addressing: psw::ADDRESSING,
            before: 0,
        }
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        mem::write_absolute(&self.cpu.core, at, bytes);
    }

    fn get(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        mem::read_absolute(&self.cpu.core, at, &mut bytes);
        bytes
    }

    /// All of RAM behind the code's page.
    fn ram(&self) -> Vec<u8> {
        self.get(0x1000, RAM - 0x1000)
    }

    /// Fills RAM behind the code's page with bytes of a small alphabet.
    fn scramble(&mut self, seed: u64, alphabet: u8) {
        let mut state = seed | 1;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8 % alphabet.max(1)
        })
        .take(RAM - 0x1000)
        .collect();
        self.put(0x1000, &bytes);
    }

    /// Executes one instruction.
    fn run(&mut self, code: &[u8]) -> End {
        self.put(CODE, code);
        self.put(CODE + code.len() as u64, &[0, 0]);
        self.go(code.len() as u64)
    }

    /// Executes what is at [`CODE`] until its end or a program interruption.
    fn go(&mut self, length: u64) -> End {
        self.cpu.set_psw(Psw {
            mask: self.addressing | self.before,
            address: CODE,
        });
        tcg::exec::run(&mut self.cpu);
        let code = self
            .cpu
            .lowcore(lowcore::PROGRAM_ID + 2, tcg::ir::MemSize::B2) as u16;
        let old = self.cpu.lowcore_psw(lowcore::PROGRAM_OLD);
        if code == 1 && old.address == CODE + length + 2 {
            End::Cc((old.mask >> psw::CC_SHIFT) as u8 & 3)
        } else {
            End::Check(code)
        }
    }

    /// The condition code that the last interruption found.
    fn cc(&self) -> u8 {
        (self.cpu.lowcore_psw(lowcore::PROGRAM_OLD).mask >> psw::CC_SHIFT) as u8 & 3
    }

    /// Executes again while the condition code is 3.
    fn run_all(&mut self, code: &[u8]) -> End {
        loop {
            let end = self.run(code);
            if end != End::Cc(3) {
                return end;
            }
        }
    }
}

/// SS instruction with one or two lengths: first operand at 0 of register 1, second of 2.
fn ss(opcode: u8, length: u8) -> [u8; 6] {
    [opcode, length, 0x10, 0, 0x20, 0]
}

/// RRE or RRF instruction on two registers.
fn rre(opcode: u16, m3: u8, r1: u8, r2: u8) -> [u8; 4] {
    let [a, b] = opcode.to_be_bytes();
    [a, b, m3 << 4, r1 << 4 | r2]
}

/// RSY instruction with the second operand at 0 of register `b2`.
fn rsy(opcode: u16, r1: u8, r3: u8, b2: u8) -> [u8; 6] {
    let [a, b] = opcode.to_be_bytes();
    [a, r1 << 4 | r3, b2 << 4, 0, 0, b]
}
