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
                parts.full = None;
                parts.low = Some(v);
            }
            Part::High32 => {
                parts.full = None;
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
            (Part::Low32, Some(whole)) => self.rewrite(Op::Trunc(whole)),
            (Part::High32, Some(whole)) if self.as_const(whole).is_some() => {
                let c = self.as_const(whole).unwrap_or(0) >> 32;
                self.constant(Ty::I32, c)
            }
            _ => self.push(Op::Get(g, part)),
        };
        self.known.learn(g, part, v);
        v
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
            let half = self.rewrite(Op::Trunc(half));
            let part = if pos == 0 { Part::Low32 } else { Part::High32 };
            return self.put(g, part, half);
        }
        self.known.write(g, part, v);
        self.push(Op::Put(g, part, v))
    }
}
