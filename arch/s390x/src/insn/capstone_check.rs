//! The table against capstone, an independent decoder: over random encodings of every row, over
//! all operation codes, and over real code (the checked-in guests, and Debian's kernel image where
//! it has been fetched). Length, mnemonic and operands must agree; what capstone does not know,
//! and what we do not have, is listed here and checked to be exactly that.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use capstone::arch::ArchOperand;
use capstone::arch::sysz::{ArchMode, SysZOperand};
use capstone::prelude::*;
use capstone::{Endian, InsnDetail, RegId};
use object::{Object, ObjectSegment, SegmentFlags};

use super::decode::{decode, length};
use super::encode::{encode, with_opcode};
use super::{Format, Insn, table};

/// Where the code is said to be, for relative operands.
const ADDRESS: u64 = 0x8000_0000_0000;

/// Rows that capstone 5 does not know at all: two of the supervisor's, and the vector-enhancements
/// facility 2.
const CAPSTONE_LACKS: &[&str] = &[
    "CHSC", "MVCRL", "NCGRK", "NCRK", "NNGRK", "NNRK", "NOGRK", "NORK", "NXGRK", "NXRK", "OCGRK",
    "OCRK", "SELFHR", "SELGR", "SELR", "SERVC", "VLBR", "VLBRREP", "VLEBRF", "VLEBRG", "VLEBRH",
    "VLER", "VLLEBRZ", "VSLD", "VSRD", "VSTBR", "VSTEBRF", "VSTEBRG", "VSTEBRH", "VSTER", "VSTRS",
];

/// Hexadecimal floating point.
const HFP: &str = "\
    ad adr ae aer au aur aw awr axr cd cdfr cdgr cdr ce cefr cegr cer cfdr cfer cfxr cgdr cger \
    cgxr cxfr cxgr cxr dd ddr de der dxr fidr fier fixr hdr her lcdr lcer lcxr lde lder ldxr \
    ledr lexr lndr lner lnxr lpdr lper lpxr ltdr lter ltxr lxd lxdr lxe lxer mad madr mae maer \
    may mayh mayhr mayl maylr mayr md mde mder mdr mee meer msd msdr mse mser mxd mxdr mxr my \
    myh myhr myl mylr myr sd sdr se ser sqd sqdr sqe sqer sqxr su sur sw swr sxr tbdr tbedr \
    thder thdr";

/// Decimal floating point (facilities 42, 44, 48, 80).
const DFP: &str = "\
    adtr adtra axtr cdftr cdgtr cdgtra cdlftr cdlgtr cdpt cdstr cdtr cdutr cdzt cedtr cextr \
    cfdtr cfxtr cgdtr cgdtra cgxtr cgxtra clfdtr clfxtr clgdtr clgxtr cpdt cpxt csdtr csxtr \
    cudtr cuxtr cxftr cxgtr cxlftr cxlgtr cxpt cxstr cxtr cxutr cxzt czdt czxt ddtr ddtra dxtr \
    eedtr eextr esdtr esxtr fidtr fixtr iedtr iextr kdtr kxtr ldetr ldxtr ledtr ltdtr ltxtr \
    lxdtr mdtr mdtra mxtr pfpo qadtr qaxtr rrdtr rrxtr sdtr sdtra sldt slxt srdt srnmt srxt sxtr \
    tdcdt tdcet tdcxt tdgdt tdget tdgxt";

/// Transactional execution (73).
const TRANSACTIONS: &str = "\
    etnd ntstg tabort tbegin tbeginc tend";

/// Message-security assist (17, 57, 76, 77, 146).
const MESSAGE_SECURITY: &str = "\
    kimd klmd km kma kmac kmc kmctr kmf kmo pcc pckmo ppno";

/// Facilities of later machines (133, 145) and measurement (67, 68).
const LATER: &str = "\
    ecctr ecpga epctr irbm lcctl lgg lgsc llgfsg lpctl lsctl qctri qsi rrbm scctr spctr stgsc";

/// Linkage stack, subspaces, program call, tracing, and ASN-and-LX reuse (6): nothing that has
/// been seen to run uses them.
const LINKAGE: &str = "\
    bakr bsa bsg epair ereg eregg esair esea esta lasp lptea msta pc pr pt pti rp siga ssair \
    ssar trace tracg trap2 trap4";

/// Interpretive execution, expanded storage, compression and sorting.
const OTHER: &str = "\
    cfc cmpsc pgin pgout sie upt";

fn disassembler() -> Capstone {
    let mut capstone = Capstone::new()
        .sysz()
        .mode(ArchMode::Default)
        .detail(true)
        .build()
        .expect("capstone with s390x");
    capstone
        .set_endian(Endian::Big)
        .expect("a big-endian architecture");
    capstone
}

/// Mnemonic and operands, if capstone knows the instruction at its full length.
fn by_capstone(capstone: &Capstone, image: u64, address: u64) -> Option<(String, Vec<Operand>)> {
    let bytes = image.to_be_bytes();
    let count = usize::from(length(bytes[2]));
    let insns = capstone
        .disasm_count(&bytes[2..2 + count], address, 1)
        .expect("capstone runs");
    let insn = insns.first()?;
    assert_eq!(insn.bytes().len(), count, "length of {image:012x}");
    let detail: InsnDetail<'_> = capstone.insn_detail(insn).expect("details were asked for");
    let number = |id: u8| register(capstone, RegId(id.into()));
    let operands = detail
        .arch_detail()
        .operands()
        .into_iter()
        .map(|operand| match operand {
            ArchOperand::SysZOperand(operand) => match operand {
                SysZOperand::Reg(id) | SysZOperand::AcReg(id) => Register(register(capstone, id)),
                SysZOperand::Imm(v) => Immediate(v, 64),
                SysZOperand::Mem(m) => {
                    Operand::storage(number(m.base()), number(m.index()), m.disp(), m.length())
                }
                SysZOperand::Invalid => panic!("an invalid operand of {image:012x}"),
            },
            other => panic!("not s390x: {other:?}"),
        })
        .collect();
    Some((insn.mnemonic()?.to_owned(), operands))
}

/// The number in a register's name; 0 for none.
fn register(capstone: &Capstone, id: RegId) -> u8 {
    if id.0 == 0 {
        return 0;
    }
    let name = capstone.reg_name(id).expect("a register has a name");
    name.trim_start_matches(|c: char| !c.is_ascii_digit())
        .parse()
        .unwrap_or_else(|_| panic!("register {name}"))
}

/// An operand as assembler language has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operand {
    Register(u8),
    /// Value and how many of its bits count.
    Immediate(i64, u32),
    /// Registers in no order (capstone is free which is the base), displacement, length or 0.
    Storage(u8, u8, i64, u64),
}
use Operand::*;

impl Operand {
    /// Storage without registers is just a number.
    fn storage(base: u8, index: u8, displacement: i64, length: u64) -> Self {
        if (base, index, length) == (0, 0, 0) {
            Immediate(displacement, 64)
        } else {
            Storage(base.max(index), base.min(index), displacement, length)
        }
    }

    fn same(self, other: Self) -> bool {
        match (self, other) {
            (Immediate(a, bits), Immediate(b, _)) => {
                (a ^ b) as u64 & (u64::MAX >> (64 - bits)) == 0
            }
            _ => self == other,
        }
    }

    fn is_mask(self) -> bool {
        matches!(self, Immediate(_, 4))
    }

    /// Whether it is a mask that has all of a mask's bits. An extended mnemonic says the others.
    fn is_mask_with(self, other: Self) -> bool {
        matches!((self, other), (Immediate(mine, 4), Immediate(rest, _)) if rest & !mine == 0)
    }

    /// Whether assembler language may leave it out: a register or mask of 0.
    fn optional(self) -> bool {
        matches!(self, Register(0) | Immediate(0, 4))
    }
}

/// Suffixes of extended mnemonics by mask.
const CONDITIONS: [&str; 16] = [
    "", "o", "h", "nle", "l", "nhe", "lh", "ne", "e", "nlh", "he", "nl", "le", "nh", "no", "",
];

/// Families whose mask may stand in the mnemonic.
const CONDITIONAL: &[&str] = &[
    "loc", "locg", "locr", "locgr", "stoc", "stocg", "crb", "cgrb", "cib", "cgib", "clrb", "clgrb",
    "clib", "clgib", "crj", "cgrj", "cij", "cgij", "clrj", "clgrj", "clij", "clgij", "crt", "cgrt",
    "cit", "cgit", "clrt", "clgrt", "clfit", "clgit", "clt", "clgt", "lochi", "locghi", "lochhi",
    "locfh", "locfhr", "stocfh",
];

/// The mask that an instruction's extended mnemonics express, and the mnemonics it may have: its
/// own, and with the mask in it.
fn extended(insn: &Insn, name: &str) -> Option<(u8, String)> {
    let branch = |front: &str, back: &str, always: &str| match insn.m1 {
        0 => None,
        15 => Some((15, always.to_owned())),
        mask => Some((
            mask,
            format!("{front}{}{back}", CONDITIONS[usize::from(mask)]),
        )),
    };
    match name {
        "bc" => branch("b", "", "b"),
        "bcr" => branch("b", "r", "br"),
        "bic" => branch("bi", "", "bi"),
        "brc" => branch("j", "", "j"),
        "brcl" => branch("jg", "", "jg"),
        _ if CONDITIONAL.contains(&name) => match insn.m3 {
            0 | 15 => None,
            mask => Some((mask, format!("{name}{}", CONDITIONS[usize::from(mask)]))),
        },
        _ => None,
    }
}

/// Whether a mnemonic is one of a vector instruction with masks in it: element sizes and controls
/// are letters at its end, and `w` for `v` at its beginning is an operation on one element.
fn is_vector_mnemonic(insn: &Insn, name: &str, mnemonic: &str) -> bool {
    let one = |m: &str| m.strip_prefix(['v', 'w']).map(str::to_owned);
    let is_of = |name: &str| match (one(name), one(mnemonic)) {
        (Some(name), Some(mnemonic)) => mnemonic
            .strip_prefix(&name)
            .is_some_and(|letters| letters.len() <= 4),
        _ => false,
    };
    let others = VECTOR_STEMS.iter().filter(|(own, _)| *own == name);
    insn.row.format.is_vector() && (is_of(name) || others.into_iter().any(|(_, stem)| is_of(stem)))
}

/// Further beginnings of vector instructions' extended mnemonics: older names, and those that a
/// mask gives.
const VECTOR_STEMS: &[(&str, &str)] = &[
    ("vfll", "vlde"),
    ("vflr", "vled"),
    ("vfce", "vfke"),
    ("vfch", "vfkh"),
    ("vfche", "vfkhe"),
    ("vfpso", "vflc"),
    ("vfpso", "vfln"),
    ("vfpso", "vflp"),
    ("vcdg", "vcef"),
    ("vcdg", "vcfps"),
    ("vcdlg", "vcelf"),
    ("vcdlg", "vcfpl"),
    ("vcgd", "vcfe"),
    ("vcgd", "vcsfp"),
    ("vclgd", "vclfe"),
    ("vclgd", "vclfp"),
];

/// Our operands. Those that capstone may leave out are marked as [`Operand::optional`] says.
fn operands(i: &Insn, address: u64) -> Vec<Operand> {
    use Format::*;
    let (r1, r2, r3) = (Register(i.r1), Register(i.r2), Register(i.r3));
    let (v1, v2, v3, v4) = (
        Register(i.v1),
        Register(i.v2),
        Register(i.v3),
        Register(i.v4),
    );
    let byte = |v: u8| Immediate(v.into(), 8);
    let mask = |m: u8| Immediate(m.into(), 4);
    let imm = |bits| Immediate(i.i2, bits);
    let to = |halfwords: i64| Immediate(address.wrapping_add_signed(2 * halfwords) as i64, 64);
    let first = |length: u64| Operand::storage(i.b1, 0, i.d1.into(), length);
    let second = |length: u64| Operand::storage(i.b2, i.x2, i.d2.into(), length);
    let fourth = || Operand::storage(i.b4, 0, i.d4.into(), 0);
    let (l1, l2) = (u64::from(i.l1) + 1, u64::from(i.l2) + 1);
    match i.row.format {
        E => vec![],
        I => vec![imm(8)],
        IE => vec![imm(4), mask(i.i3)],
        MII => {
            let target = address.wrapping_add_signed(2 * signed_24(i.bytes));
            vec![mask(i.m1), to(i.i2), Immediate(target as i64, 64)]
        }
        SMI => vec![mask(i.m1), to(i.i2), second(0)],
        RIa => vec![r1, imm(16)],
        RIb | RILb => vec![r1, to(i.i2)],
        RIc | RILc => vec![mask(i.m1), to(i.i2)],
        RIEa => vec![r1, imm(16), mask(i.m3)],
        RIEb => vec![r1, r2, mask(i.m3), to(i.ri4.into())],
        RIEc => vec![r1, imm(8), mask(i.m3), to(i.ri4.into())],
        RIEd => vec![r1, r3, imm(16)],
        RIEe | RSI => vec![r1, r3, to(i.i2)],
        RIEf => {
            vec![r1, r2, byte(i.i3), byte(i.i4), byte(i.i5)]
        }
        RIEg => vec![r1, imm(16), mask(i.m3)],
        RILa => vec![r1, imm(32)],
        RIS => vec![r1, imm(8), mask(i.m3), fourth()],
        RR if i.row.name == "BCR" => vec![mask(i.m1), r2],
        RR | RRE => vec![r1, r2],
        RRD => vec![r1, r3, r2],
        RRFa | RRFb => vec![r1, r2, r3, mask(i.m4)],
        RRFc | RRFd | RRFe => vec![r1, r2, mask(i.m3), mask(i.m4)],
        RRS => vec![r1, r2, mask(i.m3), fourth()],
        RSa | RSYa => vec![r1, r3, second(0)],
        RSb | RSYb => vec![r1, mask(i.m3), second(0)],
        RSLa => vec![first(l1)],
        RXa | RXYa => vec![r1, second(0)],
        RXE => vec![r1, second(0), mask(i.m3)],
        RXb | RXYb => vec![mask(i.m1), second(0)],
        RXF => vec![r1, r3, second(0)],
        // Some take none, and some give it no meaning.
        S if (i.b2, i.d2) == (0, 0) => vec![mask(0)],
        S => vec![second(0)],
        SI | SIY => vec![first(0), imm(8)],
        SIL => vec![first(0), imm(16)],
        SSa => vec![first(l1), second(0)],
        SSb => vec![first(l1), second(l2)],
        SSc => vec![first(l1), second(0), mask(i.i3)],
        // The length is in a register, which capstone numbers from 1.
        SSd => vec![first(u64::from(i.r1) + 1), second(0), r3],
        SSe => vec![r1, second(0), r3, fourth()],
        SSf => vec![first(0), second(l2)],
        SSE => vec![first(0), second(0)],
        SSF => vec![first(0), second(0), r3],
        VRIa => vec![v1, imm(16), mask(i.m3)],
        VRIb => vec![v1, imm(8), byte(i.i3), mask(i.m4)],
        VRIc => vec![v1, v3, imm(16), mask(i.m4)],
        VRId => vec![v1, v2, v3, byte(i.i4), mask(i.m5)],
        VRIe => vec![v1, v2, imm(12), mask(i.m4), mask(i.m5)],
        VRRa => vec![v1, v2, mask(i.m3), mask(i.m4), mask(i.m5)],
        VRRb => vec![v1, v2, v3, mask(i.m4), mask(i.m5)],
        VRRc => vec![v1, v2, v3, mask(i.m4), mask(i.m5), mask(i.m6)],
        VRRd | VRRe => vec![v1, v2, v3, v4, mask(i.m5), mask(i.m6)],
        VRRf => vec![v1, r2, r3],
        VRSa => vec![v1, v3, second(0), mask(i.m4)],
        VRSb => vec![v1, r3, second(0), mask(i.m4)],
        VRSc => vec![r1, v3, second(0), mask(i.m4)],
        // An element of a vector is the index.
        VRV => vec![v1, Operand::storage(i.b2, i.v2, i.d2.into(), 0), mask(i.m3)],
        VRX => vec![v1, second(0), mask(i.m3)],
    }
}

fn signed_24(image: u64) -> i64 {
    ((image << 40) as i64) >> 40
}

/// Takes out of `ours` what capstone shows; what remains must be optional, as all masks may be.
fn compare_operands(
    mut ours: Vec<Operand>,
    theirs: &[Operand],
    masks_too: bool,
) -> Result<(), String> {
    for operand in theirs {
        let rest = |mine: &Operand| masks_too && mine.is_mask_with(*operand);
        let same = ours.iter().position(|&mine| mine.same(*operand));
        match same.or_else(|| ours.iter().position(rest)) {
            Some(at) => drop(ours.remove(at)),
            None => return Err(format!("capstone has {operand:?}, left of ours: {ours:?}")),
        }
    }
    let optional = |mine: &Operand| mine.optional() || masks_too && mine.is_mask();
    match ours.iter().find(|mine| !optional(mine)) {
        None => Ok(()),
        Some(mine) => Err(format!("capstone lacks {mine:?}")),
    }
}

/// Compares one decoded instruction with capstone's reading: whether capstone knows it.
fn compare(capstone: &Capstone, insn: &Insn, address: u64) -> Result<bool, String> {
    let Some((mnemonic, theirs)) = by_capstone(capstone, insn.bytes, address) else {
        return Ok(false);
    };
    let name = insn.row.name.to_lowercase();
    let mut ours = operands(insn, address);
    if mnemonic != name {
        // The forms of facility 37 have an `a` and take more operands.
        let other = format!("{name}a");
        match extended(insn, &name) {
            Some((mask, text)) if text == mnemonic => {
                ours.retain(|&operand| operand != Immediate(mask.into(), 4));
            }
            _ if mnemonic == other => {}
            // VGBM of all zeros or all ones.
            _ if name == "vgbm" && matches!(mnemonic.as_str(), "vzero" | "vone") => {
                ours.retain(|operand| !matches!(operand, Immediate(..)));
            }
            _ if is_vector_mnemonic(insn, &name, &mnemonic) => {}
            expected => {
                return Err(format!(
                    "capstone says {mnemonic}, we {name} or {expected:?}"
                ));
            }
        }
    }
    let masks_too = insn.row.format.is_vector();
    compare_operands(ours, &theirs, masks_too)
        .map(|()| true)
        .map_err(|error| format!("{mnemonic}: {error} ({theirs:?})"))
}

/// Register numbers that capstone may insist on: even ones, or 0 where a field is not used.
fn tamer(insn: &Insn) -> impl Iterator<Item = Insn> + use<> {
    let insn = *insn;
    (1..64u32).map(move |choice| {
        let bit = |n: u32| choice >> n & 1 != 0;
        let mut tame = insn;
        if bit(0) {
            (tame.r1, tame.r2, tame.r3) = (insn.r1 & 12, insn.r2 & 12, insn.r3 & 12);
        }
        for (n, field) in [&mut tame.m4, &mut tame.m3, &mut tame.r3, &mut tame.r2]
            .into_iter()
            .enumerate()
        {
            if bit(n as u32 + 1) {
                *field = 0;
            }
        }
        for field in [&mut tame.m5, &mut tame.m6] {
            if bit(1) {
                *field = 0;
            }
        }
        if bit(5) {
            (tame.r1, tame.b2, tame.d2) = (0, 0, 0);
        }
        if tame.row.format == Format::RR && tame.row.name != "BCR" {
            tame.m1 = tame.r1;
        }
        decode(encode(&tame)).unwrap_or(tame)
    })
}

#[test]
fn random_encodings() {
    let capstone = disassembler();
    let mut lacking = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut state = 1u64;
    for row in table::rows() {
        for n in 0..100 {
            state = state
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            let fill = if n == 0 { 0 } else { state >> 16 };
            // Bits that no field has are zero, as capstone wants them.
            let insn = Insn::new(row, with_opcode(row, fill));
            let insn = decode(encode(&insn)).expect("a row's operation code");
            let mut result = compare(&capstone, &insn, ADDRESS);
            for tame in tamer(&insn) {
                if result != Ok(false) {
                    break;
                }
                result = compare(&capstone, &tame, ADDRESS);
            }
            match result {
                Ok(true) => {}
                Ok(false) => {
                    lacking.insert(row.name);
                }
                Err(error) => wrong.push(format!("{} {:012x}: {error}", row.name, insn.bytes)),
            }
        }
    }
    wrong.sort();
    let count = wrong.len();
    wrong.dedup_by_key(|line| line.split(' ').next().map(str::to_owned));
    assert_eq!(wrong, Vec::<String>::new(), "{count} in all");
    assert_eq!(lacking, CAPSTONE_LACKS.iter().copied().collect());
}

/// Every operation code that capstone knows and we do not belongs to a facility that this
/// machine does not have.
#[test]
fn absent_operation_codes() {
    let capstone = disassembler();
    let mut absent = BTreeSet::new();
    for first in 0..=255u64 {
        let long = length(first as u8) == 6;
        for second in 0..=255u64 {
            for last in 0..if long { 256 } else { 1 } {
                for middle in [0, 0x1234_5600] {
                    let image = first << 40 | second << 32 | middle | last;
                    if decode(image).is_none()
                        && let Some((mnemonic, _)) = by_capstone(&capstone, image, ADDRESS)
                    {
                        absent.insert(mnemonic);
                    }
                }
            }
        }
    }
    // The vector facilities' mnemonics.
    absent.retain(|name| !name.starts_with('v') && name != "wfc" && name != "wfk");
    let lists = [
        HFP,
        DFP,
        TRANSACTIONS,
        MESSAGE_SECURITY,
        LATER,
        LINKAGE,
        OTHER,
    ];
    let expected: BTreeSet<String> = lists
        .iter()
        .flat_map(|list| list.split(' '))
        .map(str::to_owned)
        .collect();
    let unexpected: Vec<_> = absent.difference(&expected).collect();
    let found: Vec<_> = expected.difference(&absent).collect();
    assert!(
        unexpected.is_empty() && found.is_empty(),
        "not listed {unexpected:?}, not absent {found:?}"
    );
}

/// Compares a stretch of code that may have data in it: instructions compared.
fn sweep(capstone: &Capstone, code: &[u8], wrong: &mut Vec<String>) -> usize {
    let (mut at, mut compared) = (0, 0);
    while let Some(&first) = code.get(at) {
        let count = usize::from(length(first));
        let Some(bytes) = code.get(at..at + count) else {
            break;
        };
        let mut image = [0; 8];
        image[2..2 + count].copy_from_slice(bytes);
        let address = ADDRESS + at as u64;
        if let Some(insn) = decode(u64::from_be_bytes(image)) {
            match compare(capstone, &insn, address) {
                Ok(known) => compared += usize::from(known),
                Err(error) => wrong.push(format!("{:012x}: {error}", insn.bytes)),
            }
        }
        at += count;
    }
    compared
}

/// The executable segments of an ELF file.
fn code_of_elf(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let elf = object::File::parse(bytes).ok()?;
    let executable = |flags| matches!(flags, SegmentFlags::Elf { p_flags } if p_flags & 1 != 0);
    let segments = elf.segments().filter(|segment| executable(segment.flags()));
    segments
        .map(|segment| segment.data().ok().map(<[u8]>::to_vec))
        .collect()
}

/// The code of an ELF file; a file of another kind is code as it is.
fn code_of(file: &Path) -> Option<Vec<Vec<u8>>> {
    let bytes = std::fs::read(file).ok()?;
    code_of_elf(&bytes).or(Some(vec![bytes]))
}

/// The program `bin/busybox` of a compressed "newc" cpio archive.
fn busybox(archive: &Path) -> Option<Vec<u8>> {
    let output = Command::new("gzip").arg("-dc").arg(archive).output().ok()?;
    let mut rest = output.stdout.as_slice();
    loop {
        // Thirteen fields of eight hexadecimal digits after the magic number.
        let field = |n: usize| {
            let digits = std::str::from_utf8(rest.get(6 + 8 * n..14 + 8 * n)?).ok()?;
            usize::from_str_radix(digits, 16).ok()
        };
        let (size, name_size) = (field(6)?, field(11)?);
        let name = rest.get(110..110 + name_size - 1)?;
        let data = (110 + name_size).next_multiple_of(4);
        if name.ends_with(b"bin/busybox") {
            return Some(rest.get(data..data + size)?.to_vec());
        }
        rest = rest.get((data + size).next_multiple_of(4)..)?;
    }
}

#[test]
fn real_code() {
    let capstone = disassembler();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let images = std::fs::read_dir(top.join("tests/guests/images")).expect("the guests' images");
    let mut files: Vec<_> = images
        .map(|entry| entry.expect("an entry").path())
        .collect();
    let cache = std::env::var_os("EMU_CACHE").map_or_else(|| top.join("cache"), Into::into);
    let kernel = cache.join("debian-s390x/vmlinuz");
    if kernel.exists() {
        files.push(kernel);
    } else {
        let kernel = kernel.display();
        eprintln!("SKIPPED: {kernel} is not there (tests/scripts/get-debian-guest)");
    }
    let mut wrong = Vec::new();
    for file in files {
        let code = code_of(&file).expect("an image that can be read");
        let compared: usize = code
            .iter()
            .map(|code| sweep(&capstone, code, &mut wrong))
            .sum();
        assert!(
            compared > 10,
            "{} has only {compared} instructions",
            file.display()
        );
        println!("{}: {compared} instructions agree", file.display());
    }
    match busybox(&cache.join("debian-s390x/initramfs.cpio.gz")) {
        Some(program) => {
            let code = code_of_elf(&program).expect("busybox is an ELF file");
            let compared: usize = code
                .iter()
                .map(|code| sweep(&capstone, code, &mut wrong))
                .sum();
            assert!(
                compared > 10_000,
                "busybox has only {compared} instructions"
            );
            println!("busybox: {compared} instructions agree");
        }
        None => eprintln!("SKIPPED: there is no initramfs with busybox, or no gzip to open it"),
    }
    wrong.sort();
    wrong.dedup();
    assert_eq!(wrong, Vec::<String>::new());
}
