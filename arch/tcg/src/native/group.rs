//! Accesses that share one look into the TLB.
//!
//! Accesses of a block whose addresses are one value plus constants (a stack frame, a structure, the
//! registers of one LMG) lie in one page nearly always. The first of such a group looks up the page
//! of *all* bytes that the group touches; what it finds stays in registers, or in spill words, as
//! values of the block do: the entry's addend, and for groups that write the address of the page's
//! word of code lines. The others then test one register. Where the group is not in one page, or
//! the page is none that the TLB allows, the addend is 0 and each access takes its slow path.
//!
//! A translation found at the beginning of a group holds until the block is left: whoever takes
//! one away waits for this vCPU to leave its block. Helpers that may change something a vCPU's own
//! translations depend on end every group. Not here: the accesses themselves ([`super::memory`]).

use crate::ir::{MemMode, Op, Val};

use super::memory::Sum;

/// Most bytes from the first to the last that a group touches: the more, the likelier is the end
/// of a page among them.
const MOST_BYTES: i32 = 256;

/// Most groups that are looked through for one to join.
const MOST_OPEN: usize = 8;

/// A group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Distance of the first byte from the value that all have in common.
    pub(super) low: i32,
    /// Bytes from there to the last one.
    pub(super) bytes: i32,
    /// It is looked up for writing, which includes reading.
    pub(super) write: bool,
    /// The op that reads what was found last.
    pub(super) last: u32,
}

/// An access's part in a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) group: u32,
    /// It is the first one, who looks up.
    pub(super) leads: bool,
    /// Distance of its first byte from the value that all have in common.
    pub(super) offset: i32,
}

/// What an access's slow path does for its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// It is in none.
    None,
    /// It looks up again: so many bytes, from this distance to its own first one.
    Leads { from: i32, bytes: i32, write: bool },
    /// Nothing: there is no page for the group.
    Follows,
}

/// What addresses must have in common. Constants have nothing (`base` is none): of these, loads
/// and stores are in groups apart, as low pages may be protected from stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    base: Option<Val>,
    index: Option<Val>,
    mode: MemMode,
}

struct Open {
    key: Key,
    /// Bytes from `low` to below `end`.
    low: i32,
    end: i32,
    write: bool,
    members: Vec<(usize, i32)>,
}

/// An access that can be in a group.
#[derive(Clone, Copy)]
struct Access {
    key: Key,
    offset: i32,
    bytes: i32,
    store: bool,
}

fn access(ops: &[Op], sums: &[Option<Sum>], alone: bool, at: usize) -> Option<Access> {
    let (mem, addr, store) = match ops[at] {
        Op::Load { mem, addr, .. } => (mem, addr, false),
        Op::Store {
            mem,
            addr,
            pred: None,
            ..
        } => (mem, addr, true),
        Op::Atomic { mem, addr, .. } if alone => (mem, addr, true),
        _ => return None,
    };
    let bytes = mem.size.bytes() as i32;
    if mem.aligned && bytes > 1 {
        return None;
    }
    let (mut base, index, disp) = match sums[at] {
        Some(sum) => sum.parts(),
        None => (addr, None, 0),
    };
    let mut offset = i64::from(disp);
    let mut key = Key {
        base: None,
        index,
        mode: mem.mode,
    };
    loop {
        match ops[base.0 as usize] {
            Op::Bin(crate::ir::BinOp::Add, crate::ir::Ty::I64, x, y)
                if let Op::Const(_, c) = ops[y.0 as usize] =>
            {
                offset = offset.checked_add(c as i64)?;
                base = x;
            }
            Op::Const(_, c) if index.is_none() => {
                offset = offset.checked_add(c as i64)?;
                break;
            }
            _ => {
                key.base = Some(base);
                break;
            }
        }
    }
    let offset = i32::try_from(offset)
        .ok()
        .filter(|o| (-(1 << 28)..1 << 28).contains(o))?;
    Some(Access {
        key,
        offset,
        bytes,
        store,
    })
}

/// Finds the groups of a block, and who is in which. Interlocked updates are in groups where there
/// is no other CPU (`alone`): they then are loads and stores.
pub(super) fn find(
    ops: &[Op],
    needed: &[bool],
    sums: &[Option<Sum>],
    alone: bool,
) -> (Vec<Group>, Vec<Option<Member>>) {
    let mut open: Vec<Open> = Vec::new();
    let mut done: Vec<Open> = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        if !needed[at] {
            continue;
        }
        if let Op::Call { def, .. } = op
            && (def.effects.writes_globals
                || def.effects.writes_memory
                // It may change what addresses mean.
                || def.effects.observable)
        {
            done.append(&mut open);
            continue;
        }
        let Some(access) = access(ops, sums, alone, at) else {
            continue;
        };
        let write = access.store || access.key.base.is_some() && is_updated(ops, sums, at, access);
        let end = access.offset + access.bytes;
        let fits = |group: &&mut Open| {
            group.key == access.key
                && (group.write == write || group.write && access.key.base.is_some())
                && group.end.max(end) - group.low.min(access.offset) <= MOST_BYTES
        };
        match open.iter_mut().rev().find(fits) {
            Some(group) => {
                group.low = group.low.min(access.offset);
                group.end = group.end.max(end);
                group.members.push((at, access.offset));
            }
            None => {
                if open.len() == MOST_OPEN {
                    done.push(open.remove(0));
                }
                open.push(Open {
                    key: access.key,
                    low: access.offset,
                    end,
                    write,
                    members: vec![(at, access.offset)],
                });
            }
        }
    }
    done.append(&mut open);
    let mut members = vec![None; ops.len()];
    let mut groups = Vec::new();
    for group in done {
        let [(first, _), .., (last, _)] = group.members[..] else {
            continue;
        };
        for &(at, offset) in &group.members {
            members[at] = Some(Member {
                group: groups.len() as u32,
                leads: at == first,
                offset,
            });
        }
        groups.push(Group {
            low: group.low,
            bytes: group.end - group.low,
            write: group.write,
            last: last as u32,
        });
    }
    (groups, members)
}

/// Whether the bytes of a load are stored to by the same instruction.
fn is_updated(ops: &[Op], sums: &[Option<Sum>], load: usize, found: Access) -> bool {
    ops[load + 1..]
        .iter()
        .enumerate()
        .take_while(|(_, op)| !matches!(op, Op::Insn { .. } | Op::ExitIf { .. } | Op::Exit(_)))
        .filter(|(_, op)| matches!(op, Op::Store { .. }))
        .any(|(n, _)| {
            access(ops, sums, false, load + 1 + n)
                .is_some_and(|other| other.key == found.key && other.offset == found.offset)
        })
}
