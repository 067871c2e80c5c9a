//! The recorded condition-code operation: tests of it become comparisons of its operands.

use super::Forward;
use crate::guest::{CcOperand, CcTest, Guest};
use crate::ir::{BinOp, Op, Ty, Val};

/// Selectors of the codes whose high and low bit is one.
const HIGH: u8 = 0b0011;
const LOW: u8 = 0b0101;

impl<G: Guest> Forward<G> {
    pub(super) fn set_cc(&mut self, kind: u8, a: Val, b: Val) -> Val {
        if self.cc == Some((kind, a, b)) {
            return a;
        }
        self.cc = Some((kind, a, b));
        self.push(Op::SetCc { kind, a, b })
    }

    /// The condition code, if the recorded operands are constants.
    fn cc_value(&self) -> Option<u32> {
        let (kind, a, b) = self.cc?;
        Some(G::cc_evaluate(kind, self.as_const(a)?, self.as_const(b)?))
    }

    pub(super) fn get_cc(&mut self) -> Val {
        if let Some(cc) = self.cc_value() {
            return self.constant(Ty::I32, u64::from(cc));
        }
        let Some((kind, a, b)) = self.cc else {
            return self.push(Op::GetCc);
        };
        if G::cc_is_operand(kind) {
            return self.convert(a, Ty::I32);
        }
        // Each bit of the code is a test, where selectors are as the trait has them by itself.
        let usual = (0..4).all(|cc| {
            G::cc_selected(cc, HIGH) == (cc & 2 != 0) && G::cc_selected(cc, LOW) == (cc & 1 != 0)
        });
        let (high, low) = (G::cc_test(kind, HIGH), G::cc_test(kind, LOW));
        if !usual || high == CcTest::Evaluate || low == CcTest::Evaluate {
            return self.push(Op::GetCc);
        }
        let high = self.test(high, a, b);
        let low = self.test(low, a, b);
        let one = self.constant(Ty::I32, 1);
        let high = self.rewrite(&Op::Bin(BinOp::Shl, Ty::I32, high, one));
        self.rewrite(&Op::Bin(BinOp::Or, Ty::I32, high, low))
    }

    /// A test that is not to be evaluated.
    fn test(&mut self, test: CcTest, a: Val, b: Val) -> Val {
        match test {
            CcTest::Always(truth) => self.constant(Ty::I32, u64::from(truth)),
            CcTest::Compare {
                ty,
                cond,
                left,
                right,
            } => {
                let left = self.cc_operand(left, ty, a, b);
                let right = self.cc_operand(right, ty, a, b);
                self.set_cond(cond, ty, left, right)
            }
            CcTest::Evaluate => self.push(Op::GetCc),
        }
    }

    pub(super) fn test_cc(&mut self, mask: u8) -> Val {
        if let Some(cc) = self.cc_value() {
            return self.constant(Ty::I32, u64::from(G::cc_selected(cc, mask)));
        }
        let Some((kind, a, b)) = self.cc else {
            return self.push(Op::TestCc { mask });
        };
        match G::cc_test(kind, mask) {
            CcTest::Evaluate => self.push(Op::TestCc { mask }),
            test => self.test(test, a, b),
        }
    }

    fn cc_operand(&mut self, operand: CcOperand, ty: Ty, a: Val, b: Val) -> Val {
        let op = match operand {
            CcOperand::A => return self.convert(a, ty),
            CcOperand::B => return self.convert(b, ty),
            CcOperand::Imm(c) => return self.constant(ty, c),
            CcOperand::APlusImm(c) => {
                let (a, c) = (self.convert(a, ty), self.constant(ty, c));
                return self.rewrite(&Op::Bin(BinOp::Add, ty, a, c));
            }
            CcOperand::AAndImm(c) => {
                let (a, c) = (self.convert(a, ty), self.constant(ty, c));
                return self.rewrite(&Op::Bin(BinOp::And, ty, a, c));
            }
            CcOperand::APlusA => {
                let a = self.convert(a, ty);
                let one = self.constant(ty, 1);
                return self.rewrite(&Op::Bin(BinOp::Shl, ty, a, one));
            }
            CcOperand::AAndB => BinOp::And,
            CcOperand::APlusB => BinOp::Add,
            CcOperand::AMinusB => BinOp::Sub,
        };
        let (a, b) = (self.convert(a, ty), self.convert(b, ty));
        self.rewrite(&Op::Bin(op, ty, a, b))
    }

    /// A recorded operand in the type of the comparison: truncated or zero-extended.
    fn convert(&mut self, v: Val, ty: Ty) -> Val {
        match (self.ty(v), ty) {
            (Ty::I64, Ty::I32) => self.rewrite(&Op::Trunc(v)),
            (Ty::I32, Ty::I64) => self.rewrite(&Op::Extend {
                ty,
                v,
                bits: 32,
                signed: false,
            }),
            _ => v,
        }
    }
}
