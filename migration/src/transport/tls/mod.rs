//! TLS 1.3 over a socket, with certificates on both sides.
//!
//! Keys and certificates come from a folder as QEMU's `tls-creds-x509` has it
//! ([`Credentials::load`]); the session is rustls's. After the handshake the receiving side
//! sends one byte: it says that the sender's certificate was accepted, which TLS 1.3 by itself
//! would tell the sender only at some later time.

mod credentials;
mod name;
mod session;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

pub use credentials::{Credentials, Endpoint};
pub(super) use session::{Session, TlsReader, TlsWriter};

use super::plain::Plain;
use super::uri::Uri;

/// Says whether the peer with a distinguished name (RFC 4514, as `CN=a,O=b`) may connect.
pub type Authorize = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// How channels are secured.
#[derive(Clone)]
pub struct Tls {
    /// Who this side is and whom it trusts.
    pub credentials: Credentials,
    /// The name that the receiver's certificate must have, if not the URI's host.
    pub hostname: Option<String>,
    /// Which senders may connect, among those with a trusted certificate; all if `None`.
    pub authorize: Option<Authorize>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("credentials", &self.credentials)
            .field("hostname", &self.hostname)
            .field("authorizes", &self.authorize.is_some())
            .finish()
    }
}

/// Why there is no TLS session, or no credentials for one.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the folder is missing or holds something else.
    #[error("{} holds no usable {what}: {why}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The files do not go together.
    #[error("the TLS credentials in {} cannot be used: {source}", .folder.display())]
    Credentials {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The certificates of the authorities or the revocation list cannot be used.
    #[error("{} cannot be used to check the peer: {why}", .path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Credentials of the other endpoint.
    #[error("the TLS credentials are for a {is}, a {wanted} needs its own (endpoint={wanted})")]
    Endpoint {
        /// What they are for.
        is: Endpoint,
        /// What is needed.
        wanted: Endpoint,
    },
    /// There is no name to compare the receiver's certificate with.
    #[error("nothing says which name the peer's certificate must have (tls-hostname)")]
    NoHostname,
    /// The name can be in no certificate.
    #[error("'{name}' is no name that a certificate could have")]
    Hostname {
        /// The name.
        name: String,
    },
    /// The handshake failed.
    #[error("the TLS handshake failed: {source}")]
    Handshake {
        /// Why.
        source: io::Error,
    },
    /// The session cannot be made.
    #[error("the TLS session cannot be set up: {source}")]
    Session {
        /// Why.
        source: rustls::Error,
    },
    /// The peer's certificate has no name that can be read.
    #[error("the peer's certificate names nobody: {why}")]
    Nameless {
        /// Why.
        why: String,
    },
    /// The peer is known but may not connect.
    #[error("the peer '{name}' is not authorised")]
    Unauthorised {
        /// Its distinguished name.
        name: String,
    },
}

/// What the receiving side sends when it has accepted the sender.
const WELCOME: u8 = 1;

impl Tls {
    /// The sending side's handshake on a channel to `uri`.
    pub(super) fn connect(&self, plain: Plain, uri: &Uri) -> Result<Session, TlsError> {
        let config = self.credentials.client()?;
        let host = match (&self.hostname, uri) {
            (Some(name), _) => name.as_str(),
            (
                None,
                Uri::Tcp {
                    host: Some(host), ..
                },
            ) => host,
            (None, Uri::Tcp { host: None, .. }) => "localhost",
            (None, _) => return Err(TlsError::NoHostname),
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Hostname {
            name: host.to_owned(),
        })?;
        let connection =
            ClientConnection::new(config, name).map_err(|source| TlsError::Session { source })?;
        let session = Session::handshake(connection.into(), plain)?;
        session.expect(WELCOME)?;
        Ok(session)
    }

    /// The receiving side's handshake.
    pub(super) fn accept(&self, plain: Plain) -> Result<Session, TlsError> {
        let config = self.credentials.server()?;
        let connection =
            ServerConnection::new(config).map_err(|source| TlsError::Session { source })?;
        let session = Session::handshake(connection.into(), plain)?;
        if let Some(authorize) = &self.authorize {
            let name = match session.peer_certificate() {
                Some(certificate) => name::of(&certificate),
                None => Err("it has sent no certificate".to_owned()),
            };
            let name = match name {
                Ok(name) => name,
                Err(why) => return Err(session.refuse(TlsError::Nameless { why })),
            };
            if !authorize(&name) {
                return Err(session.refuse(TlsError::Unauthorised { name }));
            }
        }
        session.send(WELCOME)?;
        Ok(session)
    }
}
