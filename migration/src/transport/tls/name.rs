//! Whose certificate it is.

use x509_cert::Certificate;
use x509_cert::der::Decode;

/// The distinguished name of the certificate's subject, as RFC 4514 writes it.
pub(super) fn of(certificate: &[u8]) -> Result<String, String> {
    let certificate = Certificate::from_der(certificate).map_err(|e| e.to_string())?;
    Ok(certificate.tbs_certificate.subject.to_string())
}
