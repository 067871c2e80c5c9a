//! Keeps what translation prints, so that a test that fails can show it.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    static TEXT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// More text than this is not kept.
const MOST: usize = 1 << 20;

struct Keeper;

impl Log for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tcg::")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        TEXT.with_borrow_mut(|text| {
            if let Some(text) = text.as_mut().filter(|text| text.len() < MOST) {
                let _ = writeln!(text, "[{}] {}", record.target(), record.args());
            }
        });
    }

    fn flush(&self) {}
}

/// What this thread logs under `tcg::` while `f` runs.
pub(crate) fn logged(f: impl FnOnce()) -> String {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if log::set_logger(&Keeper).is_ok() {
            log::set_max_level(LevelFilter::Trace);
        }
    });
    TEXT.set(Some(String::new()));
    f();
    TEXT.take().unwrap_or_default()
}
