//! How generated code reads the guest's clock: where its parameters are, and what a CPU adds.
//!
//! The clock is `base + (counter - counter base) * multiplier`, with 56 fraction bits, of the
//! host's time stamp counter. Its parameters are published under a sequence word and may change
//! while vCPUs run (the rate becomes known better, a program sets the clock), so readers compare
//! that word before and after. Not here: the clock itself, which is the architecture's; its
//! helpers ([`crate::Intrinsic::ReadClock`] and its kin) define what is read, and are called
//! wherever this does not serve.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The words of a clock in this order: the sequence (odd while a write is under way), the counter
/// base, the multiplier, the low and the high half of the base.
pub type ClockWords<'a> = [&'a AtomicU64; 5];

/// A clock over the host's time stamp counter, for one CPU.
#[derive(Clone)]
pub struct ClockRecipe {
    words: u64,
    push: u64,
    step: u64,
    number: u64,
    /// Loads the sequence word; keeps all of them.
    sequence: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Keeps what is added to the counter.
    _push: Option<Arc<AtomicU64>>,
}

impl ClockRecipe {
    /// The clock whose words `owner` has; `push` is added to the counter. Of the value's 64 bits
    /// only multiples of `step` are seen, with the CPU's `number` added.
    ///
    /// `None` if the words are not one behind the other, if `step` is no power of two up to 256,
    /// or `number` not below it.
    pub fn new<T: Send + Sync + 'static>(
        owner: Arc<T>,
        words: impl for<'a> Fn(&'a T) -> ClockWords<'a> + Send + Sync + 'static,
        push: Option<Arc<AtomicU64>>,
        step: u64,
        number: u64,
    ) -> Option<Self> {
        let places = words(&owner).map(|word| std::ptr::from_ref(word).addr() as u64);
        let in_order = places.windows(2).all(|pair| pair[1] == pair[0] + 8);
        let fits = step.is_power_of_two() && step <= 256 && number < step;
        if !in_order || !fits {
            return None;
        }
        let push_place = push.as_deref().unwrap_or(&NOTHING);
        Some(Self {
            words: places[0],
            push: std::ptr::from_ref(push_place).addr() as u64,
            step,
            number,
            sequence: Arc::new(move || words(&owner)[0].load(Ordering::Acquire)),
            _push: push,
        })
    }
}

static NOTHING: AtomicU64 = AtomicU64::new(0);

/// Always in the middle of a write: a reader goes to the helper.
static NO_CLOCK: [AtomicU64; 5] = [const { AtomicU64::new(1) }; 5];

/// No sequence word is that: it is odd, and too large to be reached.
const NEVER: u64 = u64::MAX;

/// What a CPU's core has of the clock.
#[repr(C)]
pub struct ClockReader {
    /// Address of the sequence word.
    pub(crate) words: u64,
    /// Address of what is added to the counter.
    pub(crate) push: u64,
    /// What is kept of the value's low 64 bits (8 bits of the clock and 56 of fraction), and what
    /// is added.
    pub(crate) mask: u64,
    pub(crate) number: u64,
    /// The last unique value, and the sequence word that it was given under.
    pub(crate) last: u64,
    pub(crate) sequence: u64,
    /// What a clock that counts down is taken from.
    pub(crate) zero_at: u64,
    recipe: Option<ClockRecipe>,
}

impl ClockReader {
    pub(crate) fn new() -> Self {
        Self {
            words: std::ptr::from_ref(&NO_CLOCK[0]).addr() as u64,
            push: std::ptr::from_ref(&NOTHING).addr() as u64,
            mask: 0,
            number: 0,
            last: 0,
            sequence: NEVER,
            zero_at: 0,
            recipe: None,
        }
    }

    /// From now on generated code may read this clock; with `None` none.
    pub fn set_recipe(&mut self, recipe: Option<ClockRecipe>) {
        *self = Self {
            last: self.last,
            ..Self::new()
        };
        if let Some(recipe) = recipe {
            self.words = recipe.words;
            self.push = recipe.push;
            self.mask = recipe.step.wrapping_neg() << 56;
            self.number = recipe.number << 56;
            self.recipe = Some(recipe);
        }
    }

    /// Whether there is a clock that generated code may read.
    pub fn has_recipe(&self) -> bool {
        self.recipe.is_some()
    }

    /// A clock that counts down shows zero where this one shows that value.
    pub fn count_down_to(&mut self, zero_at: u64) {
        self.zero_at = zero_at;
    }

    /// The last unique value that was given, here or by generated code.
    pub fn last_unique(&self) -> u64 {
        self.last
    }

    /// A helper has given a unique value. Generated code goes on from there for as long as the
    /// clock's parameters are those of `sequence`, which [`Self::sequence`] gave before the
    /// clock was read.
    pub fn gave_unique(&mut self, value: u64, sequence: ClockSequence) {
        self.last = value;
        self.sequence = sequence.0;
    }

    /// The state of the clock's parameters.
    pub fn sequence(&self) -> ClockSequence {
        let sequence = self.recipe.as_ref().map(|recipe| (recipe.sequence)());
        ClockSequence(sequence.filter(|word| word & 1 == 0).unwrap_or(NEVER))
    }
}

/// A state of a clock's parameters.
#[derive(Debug, Clone, Copy)]
pub struct ClockSequence(u64);
