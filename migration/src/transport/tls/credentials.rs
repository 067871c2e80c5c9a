//! Keys and certificates, from a folder as QEMU's object `tls-creds-x509` has it:
//! `ca-cert.pem`, `ca-crl.pem` (optional), `server-cert.pem`, `server-key.pem`,
//! `client-cert.pem`, `client-key.pem`. `dh-params.pem` has no use in TLS 1.3.
//!
//! The receiver's certificate must have its host as a subject alternative name; a common name
//! does not count (RFC 9525). A certificate that says what it is for must say so of its own end
//! (server or client authentication).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme, version,
};

use super::TlsError;

/// Which end of a channel credentials are for. The sending side is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The side that connects.
    Client,
    /// The side that listens.
    Server,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// Who this side is and whom it trusts, checked and ready for use.
#[derive(Clone)]
pub struct Credentials(Config);

#[derive(Clone)]
enum Config {
    Client(Arc<ClientConfig>),
    Server(Arc<ServerConfig>),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials")
            .field(&self.endpoint())
            .finish()
    }
}

impl Credentials {
    /// Loads the files of `folder` for an endpoint. With `verify_peer` the peer must have a
    /// certificate which `ca-cert.pem` vouches for; without it anybody will do.
    ///
    /// A client without `client-cert.pem` has no certificate, which a server that verifies does
    /// not accept.
    ///
    /// # Errors
    /// [`TlsError::File`], [`TlsError::Credentials`], [`TlsError::Authorities`].
    pub fn load(folder: &Path, endpoint: Endpoint, verify_peer: bool) -> Result<Self, TlsError> {
        let folder = Folder(folder);
        match endpoint {
            Endpoint::Client => folder.client(verify_peer).map(Config::Client),
            Endpoint::Server => folder.server(verify_peer).map(Config::Server),
        }
        .map(Self)
    }

    /// Which end they are for.
    pub fn endpoint(&self) -> Endpoint {
        match self.0 {
            Config::Client(_) => Endpoint::Client,
            Config::Server(_) => Endpoint::Server,
        }
    }

    pub(super) fn client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        match &self.0 {
            Config::Client(config) => Ok(config.clone()),
            Config::Server(_) => Err(TlsError::Endpoint {
                is: Endpoint::Server,
                wanted: Endpoint::Client,
            }),
        }
    }

    pub(super) fn server(&self) -> Result<Arc<ServerConfig>, TlsError> {
        match &self.0 {
            Config::Server(config) => Ok(config.clone()),
            Config::Client(_) => Err(TlsError::Endpoint {
                is: Endpoint::Client,
                wanted: Endpoint::Server,
            }),
        }
    }
}

/// The folder with the files.
struct Folder<'a>(&'a Path);

/// A certificate with what leads to its authority, and its key.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Folder<'_> {
    fn client(&self, verify_peer: bool) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|source| self.unusable(source))?;
        let builder = if verify_peer {
            let (roots, lists) = self.authorities()?;
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
                .with_crls(lists)
                .build()
                .map_err(|e| self.no_authorities(e.to_string()))?;
            builder.with_webpki_verifier(verifier)
        } else {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        };
        let config = match self.exists("client-cert.pem") {
            false => builder.with_no_client_auth(),
            true => {
                let (certificates, key) = self.identity("client-cert.pem", "client-key.pem")?;
                builder
                    .with_client_auth_cert(certificates, key)
                    .map_err(|source| self.unusable(source))?
            }
        };
        Ok(Arc::new(config))
    }

    fn server(&self, verify_peer: bool) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|source| self.unusable(source))?;
        let builder = if verify_peer {
            let (roots, lists) = self.authorities()?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .with_crls(lists)
                .build()
                .map_err(|e| self.no_authorities(e.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let (certificates, key) = self.identity("server-cert.pem", "server-key.pem")?;
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|source| self.unusable(source))?;
        // There is one connection; nobody comes back with a ticket.
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    fn bad(&self, name: &str, what: &'static str, why: String) -> TlsError {
        TlsError::File {
            path: self.path(name),
            what,
            why,
        }
    }

    fn unusable(&self, source: rustls::Error) -> TlsError {
        TlsError::Credentials {
            folder: self.0.to_owned(),
            source,
        }
    }

    fn no_authorities(&self, why: String) -> TlsError {
        TlsError::Authorities {
            path: self.path("ca-cert.pem"),
            why,
        }
    }

    /// All items of one kind in a file; none at all is an error.
    fn items<T: PemObject>(&self, name: &str, what: &'static str) -> Result<Vec<T>, TlsError> {
        let bad = |e: pem::Error| self.bad(name, what, reason(&e));
        let items: Vec<T> = T::pem_file_iter(self.path(name))
            .and_then(Iterator::collect)
            .map_err(bad)?;
        if items.is_empty() {
            return Err(bad(pem::Error::NoItemsFound));
        }
        Ok(items)
    }

    fn identity(&self, certificate: &str, key: &str) -> Result<Identity, TlsError> {
        let key_bytes = PrivateKeyDer::from_pem_file(self.path(key))
            .map_err(|e| self.bad(key, "private key without a password", reason(&e)))?;
        Ok((self.items(certificate, "certificate")?, key_bytes))
    }

    /// Whose certificates are trusted, and which of them no more.
    fn authorities(
        &self,
    ) -> Result<
        (
            Arc<RootCertStore>,
            Vec<CertificateRevocationListDer<'static>>,
        ),
        TlsError,
    > {
        let mut roots = RootCertStore::empty();
        for certificate in self.items("ca-cert.pem", "certificate")? {
            roots
                .add(certificate)
                .map_err(|e| self.no_authorities(e.to_string()))?;
        }
        let lists = match self.exists("ca-crl.pem") {
            true => self.items("ca-crl.pem", "revocation list")?,
            false => Vec::new(),
        };
        Ok((Arc::new(roots), lists))
    }
}

/// An error of the PEM reader in words.
fn reason(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "there is none in it".to_owned(),
        pem::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// Accepts every server (`verify-peer=off`), as long as it has the key to its certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Only TLS 1.3 is offered.
        Err(rustls::Error::General("TLS 1.2 is not offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}
