//! End to end: guests, stall regressions, fault injection and benchmarks
