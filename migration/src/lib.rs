//! How a part of a machine saves and restores itself
