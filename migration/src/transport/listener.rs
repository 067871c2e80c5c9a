//! Waits for the sending side.

use super::Settings;
use super::channel::Channel;
use super::closer::Closer;
use super::error::TransportError;
use super::unix::UnixListener;
use super::uri::Uri;

/// A place where one channel comes in.
#[derive(Debug)]
pub struct Listener {
    source: Source,
    uri: Uri,
    closer: Closer,
}

#[derive(Debug)]
enum Source {
    Unix(UnixListener),
}

/// Makes the place where the sending side's channel comes in. What is wrong with it is told at
/// once, not when the channel is waited for.
///
/// # Errors
/// Any [`TransportError`].
pub fn listen(
    uri: &Uri,
    settings: &Settings<'_>,
    closer: &Closer,
) -> Result<Listener, TransportError> {
    let _ = settings;
    let source = match uri {
        Uri::Unix { path } => UnixListener::bind(path).map(Source::Unix),
        _ => return Err(TransportError::Unsupported { uri: uri.clone() }),
    };
    Ok(Listener {
        source: source.map_err(|source| TransportError::Listen {
            uri: uri.clone(),
            source,
        })?,
        uri: uri.clone(),
        closer: closer.clone(),
    })
}

impl Listener {
    /// Waits for the one channel, as long as it takes or until the closer is used. A unix
    /// socket's path is gone afterwards, as it is when the listener is dropped.
    ///
    /// # Errors
    /// [`TransportError::Accept`].
    pub fn accept(self) -> Result<Channel, TransportError> {
        let Self {
            source,
            uri,
            closer,
        } = self;
        match source {
            Source::Unix(listener) => match listener.accept(&closer) {
                Ok(plain) => Ok(Channel::socket(plain, &closer, &uri)),
                Err(source) => Err(TransportError::Accept { uri, source }),
            },
        }
    }

    /// Where it is, with the port that the host chose for port 0.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }
}
