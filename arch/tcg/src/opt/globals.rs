//! What guest registers are known to hold, part by part.

use super::Forward;
use crate::guest::Guest;
use crate::ir::{Global, Op, Part, Ty, Val};

/// Values that parts of a register are known to hold. `full` known makes nothing of the others.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    full: Option<Val>,
    low: Option<Val>,
    high: Option<Val>,
    /// The whole before halves of it were written, which are known then.
    base: Option<Val>,
}

/// What all registers are known to hold.
pub(super) struct Known(Vec<Parts>);

impl Known {
    pub(super) fn new(count: usize) -> Self {
        Self(vec![Parts::default(); count])
    }

    /// Some registers may hold anything now.
    pub(super) fn forget(&mut self, which: impl Fn(Global) -> bool) {
        for (n, parts) in self.0.iter_mut().enumerate() {
            if which(Global(n as u16)) {
                *parts = Parts::default();
            }
        }
    }

    fn get(&self, g: Global, part: Part) -> Option<Val> {
        let parts = &self.0[usize::from(g.0)];
        match part {
            Part::Full => parts.full,
            Part::Low32 => parts.low,
            Part::High32 => parts.high,
        }
    }

    /// A part was read: it holds this.
    fn learn(&mut self, g: Global, part: Part, v: Val) {
        let parts = &mut self.0[usize::from(g.0)];
        match part {
            Part::Full => parts.full = Some(v),
            Part::Low32 => parts.low = Some(v),
            Part::High32 => parts.high = Some(v),
        }
    }

    /// A part was written: it holds this, and what overlaps it is not known.
    fn write(&mut self, g: Global, part: Part, v: Val) {
        let parts = &mut self.0[usize::from(g.0)];
        match part {
            Part::Full => {
                *parts = Parts {
                    full: Some(v),
                    ..Parts::default()
                }
            }
            Part::Low32 => {
                parts.base = parts.full.take().or(parts.base);
                parts.low = Some(v);
            }
            Part::High32 => {
                parts.base = parts.full.take().or(parts.base);
                parts.high = Some(v);
            }
        }
    }
}

impl<G: Guest> Forward<G> {
    pub(super) fn get(&mut self, g: Global, part: Part) -> Val {
        if let Some(v) = self.known.get(g, part) {
            return v;
        }
        // The low half of a known whole costs nothing; the high half is better read again.
        let whole = self.known.get(g, Part::Full);
        let v = match (part, whole) {
            (Part::Low32, Some(whole)) => self.rewrite(&Op::Trunc(whole)),
            (Part::High32, Some(whole)) if self.as_const(whole).is_some() => {
                let c = self.as_const(whole).unwrap_or(0) >> 32;
                self.constant(Ty::I32, c)
            }
            (Part::Full, None) if !G::HOT.contains(&g) => match self.halves(g) {
                Some(whole) => whole,
                None => self.push(Op::Get(g, part)),
            },
            _ => self.push(Op::Get(g, part)),
        };
        self.known.learn(g, part, v);
        v
    }

    /// The whole of a register whose halves have been written, made of them. To read it anew would
    /// wait for writes of other widths; a register that engines keep at hand knows no such wait.
    fn halves(&mut self, g: Global) -> Option<Val> {
        let Parts {
            low, high, base, ..
        } = self.known.0[usize::from(g.0)];
        let (base, half, pos) = match (base, low, high) {
            (_, Some(low), Some(high)) => (self.widen(low), high, 32),
            (Some(base), Some(low), None) => (base, low, 0),
            (Some(base), None, Some(high)) => (base, high, 32),
            _ => return None,
        };
        let v = self.widen(half);
        Some(self.rewrite(&Op::Deposit {
            ty: Ty::I64,
            base,
            v,
            pos,
            len: 32,
        }))
    }

    fn widen(&mut self, v: Val) -> Val {
        self.rewrite(&Op::Extend {
            ty: Ty::I64,
            v,
            bits: 32,
            signed: false,
        })
    }

    pub(super) fn put(&mut self, g: Global, part: Part, v: Val) -> Val {
        // A register that holds the value already need not be written.
        let is_low_of_whole = part == Part::Low32
            && matches!(*self.def(v), Op::Trunc(whole) if self.known.get(g, Part::Full) == Some(whole));
        if is_low_of_whole || self.known.get(g, part) == Some(v) {
            return v;
        }
        // A whole that differs from the register in one half is a write of that half.
        if let Op::Deposit {
            ty: Ty::I64,
            base,
            v: half,
            pos: pos @ (0 | 32),
            len: 32,
        } = *self.def(v)
            && part == Part::Full
            && self.known.get(g, Part::Full) == Some(base)
        {
            let half = self.rewrite(&Op::Trunc(half));
            let part = if pos == 0 { Part::Low32 } else { Part::High32 };
            return self.put(g, part, half);
        }
        self.known.write(g, part, v);
        self.push(Op::Put(g, part, v))
    }
}
