//! What every machine offers the program: one trait, its configuration and its events
