//! A console: what has been printed so far, with waiting for a text, and typing.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Screen {
    text: Vec<u8>,
    ended: bool,
}

/// A stream of output that is read in the background, and a way to type.
pub struct Console {
    screen: Arc<(Mutex<Screen>, Condvar)>,
    input: Mutex<Option<Box<dyn Write + Send>>>,
    /// How far [`Console::expect`] has looked.
    seen: Mutex<usize>,
}

impl Console {
    /// Reads `output` until its end on a thread of its own.
    pub fn new(mut output: impl Read + Send + 'static, input: Box<dyn Write + Send>) -> Self {
        let screen = Arc::new((Mutex::new(Screen::default()), Condvar::new()));
        let shared = screen.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let count = output.read(&mut buffer).unwrap_or(0);
                let mut screen = lock(&shared.0);
                screen.text.extend_from_slice(&buffer[..count]);
                screen.ended = count == 0;
                shared.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Self {
            screen,
            input: Mutex::new(Some(input)),
            seen: Mutex::new(0),
        }
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.screen.0).text).into_owned()
    }

    /// Waits for the stream's end, at most so long.
    pub fn wait_for_end(&self, limit: Duration) {
        let screen = lock(&self.screen.0);
        let end = &self.screen.1;
        drop(end.wait_timeout_while(screen, limit, |screen| !screen.ended));
    }

    /// Waits for a text after what was waited for before; returns everything up to its end.
    ///
    /// # Errors
    /// The output so far, if the text does not come within the time or the stream ends.
    pub fn expect(&self, wanted: &str, limit: Duration) -> Result<String, String> {
        let until = Instant::now() + limit;
        let mut seen = lock(&self.seen);
        let mut screen = lock(&self.screen.0);
        loop {
            let rest = &screen.text[*seen..];
            if let Some(at) = find(rest, wanted.as_bytes()) {
                let end = at + wanted.len();
                let found = String::from_utf8_lossy(&rest[..end]).into_owned();
                *seen += end;
                return Ok(found);
            }
            let now = Instant::now();
            if screen.ended || now >= until {
                let why = if screen.ended {
                    "the output ended"
                } else {
                    "it did not come in time"
                };
                return Err(format!(
                    "waiting for {wanted:?}: {why}; output since the last match:\n{}",
                    String::from_utf8_lossy(rest)
                ));
            }
            let waited = self.screen.1.wait_timeout(screen, until - now);
            screen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The rest of the line after what was waited for last.
    ///
    /// # Errors
    /// As [`Console::expect`].
    pub fn line(&self, limit: Duration) -> Result<String, String> {
        self.expect("\n", limit)
            .map(|line| line.trim_end().to_owned())
    }

    /// Types.
    ///
    /// # Errors
    /// The peer has gone, or input was closed.
    pub fn type_text(&self, text: &str) -> std::io::Result<()> {
        match &mut *lock(&self.input) {
            Some(input) => {
                input.write_all(text.as_bytes())?;
                input.flush()
            }
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// End of file for the peer.
    pub fn close_input(&self) {
        *lock(&self.input) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}
