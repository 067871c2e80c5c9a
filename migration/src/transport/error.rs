//! Why there is no channel.

use std::io;

use super::tls::TlsError;
use super::uri::Uri;

/// Why a channel cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Nobody takes a connection, or it failed.
    #[error("cannot connect to {uri}: {source}")]
    Connect {
        /// Where to.
        uri: Uri,
        /// Why.
        source: io::Error,
    },
    /// There can be no listening there.
    #[error("cannot listen on {uri}: {source}")]
    Listen {
        /// Where.
        uri: Uri,
        /// Why.
        source: io::Error,
    },
    /// No connection came in.
    #[error("no connection on {uri}: {source}")]
    Accept {
        /// Where.
        uri: Uri,
        /// Why.
        source: io::Error,
    },
    /// The file, the command or the descriptor cannot be used.
    #[error("cannot open {uri}: {source}")]
    Open {
        /// Which.
        uri: Uri,
        /// Why.
        source: io::Error,
    },
    /// The channel is open, but no TLS session came about on it.
    #[error("no TLS session on {uri}: {source}")]
    Tls {
        /// Where.
        uri: Uri,
        /// Why.
        source: Box<TlsError>,
    },
    /// TLS is asked for where it cannot be.
    #[error("TLS needs a channel of two ways, as tcp:HOST:PORT; {uri} is none")]
    TlsOneWay {
        /// Which.
        uri: Uri,
    },
}
