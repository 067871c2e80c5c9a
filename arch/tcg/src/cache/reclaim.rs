//! Dropped blocks, until no vCPU can be executing them.
//!
//! Time is cut into epochs. A vCPU announces an epoch where it holds no block: between two
//! blocks, with its jump cache cleared. What was dropped before an epoch began is freed once
//! every online vCPU has announced it. An epoch is begun only when enough has gathered, so
//! announcing costs nothing otherwise; beginning one raises every vCPU's attention, so that a
//! chained loop comes by.

#![allow(
    clippy::vec_box,
    reason = "blocks are freed where they were allocated: others still hold their addresses"
)]

use std::collections::VecDeque;

use super::StoredBlock;
use crate::system::System;

/// This share of the store's limit may gather before an epoch is begun.
const SHARE: usize = 16;

#[derive(Default)]
pub(super) struct Garbage {
    /// Dropped since the last epoch began.
    fresh: Vec<Box<StoredBlock>>,
    fresh_bytes: usize,
    /// Batches, each free when every vCPU has reached its epoch.
    waiting: VecDeque<(u64, usize, Vec<Box<StoredBlock>>)>,
}

impl Garbage {
    pub(super) fn push(&mut self, block: Box<StoredBlock>) {
        self.fresh_bytes += block.bytes();
        self.fresh.push(block);
    }

    pub(super) fn bytes(&self) -> usize {
        self.fresh_bytes
            + self
                .waiting
                .iter()
                .map(|&(_, bytes, _)| bytes)
                .sum::<usize>()
    }

    /// Begins an epoch if enough has gathered, and frees what can be freed.
    pub(super) fn collect(&mut self, system: &System, limit: usize) {
        if self.fresh_bytes > limit / SHARE {
            self.begin(system);
        }
        self.free(system);
    }

    /// Begins an epoch for whatever has gathered.
    pub(super) fn begin(&mut self, system: &System) {
        if self.fresh.is_empty() {
            return;
        }
        let epoch = system.begin_epoch();
        let bytes = std::mem::take(&mut self.fresh_bytes);
        self.waiting
            .push_back((epoch, bytes, std::mem::take(&mut self.fresh)));
    }

    pub(super) fn free(&mut self, system: &System) {
        if self.waiting.is_empty() {
            return;
        }
        let reached = system.epoch_reached();
        while self
            .waiting
            .front()
            .is_some_and(|&(epoch, ..)| epoch <= reached)
        {
            self.waiting.pop_front();
        }
    }
}
