//! Why there is no channel.

use std::io;

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
    /// A transport that is not there.
    #[error("{uri} is not supported")]
    Unsupported {
        /// Where.
        uri: Uri,
    },
}
