//! Guest time: the timeline, run states, listeners, the clock manager and its ledger
