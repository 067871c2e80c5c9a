//! Objects that users make by `-object` and `object-add`: TLS credentials.
//!
//! Credentials are loaded when the object is made, so that what is wrong with them is told
//! there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use migration::transport::tls::{Credentials, Endpoint, TlsError};

/// What `tls-creds-x509` is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsCredsX509 {
    /// The object's id.
    pub id: String,
    /// The folder with certificates and keys.
    pub dir: PathBuf,
    /// Which side it is for.
    pub endpoint: Endpoint,
    /// Whether the peer's certificate is checked.
    pub verify_peer: bool,
}

/// An object is refused. Reads as QEMU's message for it.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is one of that id.
    #[error("attempt to add duplicate property '{0}' to object (type 'container')")]
    Duplicate(String),
    /// There is none of that id.
    #[error("object '{0}' not found")]
    Unknown(String),
    /// There is none of that id where TLS credentials are asked for.
    #[error("No TLS credentials with id '{0}'")]
    NoCredentials(String),
    /// The files cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsError),
}

/// All objects.
#[derive(Default)]
pub struct Objects(Mutex<BTreeMap<String, Credentials>>);

impl Objects {
    fn map(&self) -> MutexGuard<'_, BTreeMap<String, Credentials>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes TLS credentials.
    ///
    /// # Errors
    /// [`ObjectError::Duplicate`], [`ObjectError::Tls`].
    pub fn add(&self, spec: &TlsCredsX509) -> Result<(), ObjectError> {
        let mut map = self.map();
        if map.contains_key(&spec.id) {
            return Err(ObjectError::Duplicate(spec.id.clone()));
        }
        let credentials = Credentials::load(&spec.dir, spec.endpoint, spec.verify_peer)?;
        map.insert(spec.id.clone(), credentials);
        Ok(())
    }

    /// Forgets an object. A channel that uses it keeps what it needs.
    ///
    /// # Errors
    /// [`ObjectError::Unknown`].
    pub fn remove(&self, id: &str) -> Result<(), ObjectError> {
        self.map()
            .remove(id)
            .map(drop)
            .ok_or_else(|| ObjectError::Unknown(id.to_owned()))
    }

    /// TLS credentials by their id.
    ///
    /// # Errors
    /// [`ObjectError::NoCredentials`].
    pub fn credentials(&self, id: &str) -> Result<Credentials, ObjectError> {
        self.map()
            .get(id)
            .cloned()
            .ok_or_else(|| ObjectError::NoCredentials(id.to_owned()))
    }
}
