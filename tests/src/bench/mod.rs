//! The benchmark suite: bare-metal guests whose rows check their own results, and Debian's kernel,
//! on this program's engines and on QEMU, alternating in one run.
//!
//! [`guest`] runs one image and reads its rows, [`linux`] does the same with Debian's kernel,
//! [`stop_latency`] measures how soon vCPUs leave their loops, [`moves`] how long a guest that is
//! migrated stands still,
//! [`suite`] alternates programs and gathers, [`table`] prints. This is NOT where anything is
//! judged: a slow row fails nothing; only a wrong result does.

pub mod guest;
pub mod linux;
pub mod moves;
pub mod sample;
pub mod stop_latency;
pub mod suite;
pub mod table;

pub use guest::{IMAGES, Image, Program, RowOutcome, Selection};
pub use sample::Sample;
