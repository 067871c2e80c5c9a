//! MOVE PAGE between virtual pages: what a missing or a protected page does.

use tcg::ir::MemSize;
use tcg::mem;

use super::{Bench, End, rre};
use crate::cpu::{lowcore, psw};

const SEGMENTS: u64 = 0x8000;
const PAGES: u64 = 0x9000;
const SOURCE: u64 = 0x4000;
const TARGET: u64 = 0x5000;
/// Page-table entry: invalid.
const INVALID: u64 = 0x400;
/// Page-table entry: DAT protection.
const PROTECTED: u64 = 0x200;
/// Register 0: a missing page is told by the condition code.
const BY_CODE: u64 = 0x100;
const PROTECTION: End = End::Check(4);
const PAGE_TRANSLATION: End = End::Check(0x11);

/// Registers 3 and 7 point into the pages, whose entries have these bits.
fn bench(target: u64, source: u64, control: u64) -> Bench {
    let mut bench = Bench::new();
    bench.addressing |= psw::DAT;
    let put = |at, entry| mem::store_absolute(&bench.cpu.core, at, MemSize::B8, entry);
    put(SEGMENTS, PAGES);
    for page in 0..16 {
        put(PAGES + page * 8, page << 12);
    }
    put(PAGES + (SOURCE >> 12) * 8, SOURCE | source);
    put(PAGES + (TARGET >> 12) * 8, TARGET | target);
    bench.put(SOURCE, &[0x5a; 4096]);
    bench.cpu.cr[1] = SEGMENTS | 3;
    bench.cpu.gpr[0] = control;
    bench.cpu.gpr[3] = TARGET + 0x123;
    bench.cpu.gpr[7] = SOURCE + 0xfff;
    bench
}

#[test]
fn a_missing_page_is_an_exception_or_a_condition_code() {
    let instruction = rre(0xb254, 0, 3, 7);
    for (target, source, control, end) in [
        (0, 0, 0, End::Cc(0)),
        (0, 0, BY_CODE, End::Cc(0)),
        (0, PROTECTED, 0, End::Cc(0)),
        (PROTECTED, 0, 0, PROTECTION),
        // The option is for missing pages only.
        (PROTECTED, 0, BY_CODE, PROTECTION),
        (INVALID, 0, 0, PAGE_TRANSLATION),
        (0, INVALID, 0, PAGE_TRANSLATION),
        (INVALID, 0, BY_CODE, End::Cc(1)),
        (0, INVALID, BY_CODE, End::Cc(2)),
        (INVALID, INVALID, BY_CODE, End::Cc(2)),
        (PROTECTED, INVALID, BY_CODE, End::Cc(2)),
    ] {
        let mut bench = bench(target, source, control);
        let case = format!("{target:#x} {source:#x} {control:#x}");
        assert_eq!(bench.run(&instruction), end, "{case}");
        let copied = bench.get(TARGET, 4096) == [0x5a; 4096];
        assert_eq!(copied, end == End::Cc(0), "{case}");
        // Both register numbers are told with a page-translation exception.
        let told = bench.cpu.lowcore(lowcore::OPERAND_ACCESS, MemSize::B1);
        let expected = if end == PAGE_TRANSLATION { 0x37 } else { 0 };
        assert_eq!(told, expected, "{case}");
    }
}
