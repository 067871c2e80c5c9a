//! Moves over tcp with TLS, as QEMU's users set it up: `-object tls-creds-x509` and the migration
//! parameter `tls-creds`, certificates on both sides.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use serde_json::json;
use tests::engines;
use tests::guests::image;
use tests::moving::Side;

/// A folder of keys and certificates for both sides, from an authority of its own.
fn credentials() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, folder.path().display().to_string());
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(authority, key).expect("an authority");
    let write = |name: &str, text: String| {
        std::fs::write(folder.path().join(name), text).expect("a file");
    };
    write("ca-cert.pem", authority.pem());
    for (endpoint, hosts, usage) in [
        (
            "server",
            vec!["127.0.0.1".to_owned()],
            ExtendedKeyUsagePurpose::ServerAuth,
        ),
        ("client", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let mut params = CertificateParams::new(hosts).expect("names");
        params.distinguished_name.push(DnType::CommonName, endpoint);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        write(&format!("{endpoint}-cert.pem"), certificate.pem());
        write(&format!("{endpoint}-key.pem"), key.serialize_pem());
    }
    folder
}

/// A program with credentials; those of `endpoint`, if there are any.
fn side(endpoint: &str, folder: Option<&Path>, incoming: bool) -> Side {
    let mut builder = engines()[0]
        .machine()
        .args(["-m", "32M"])
        .kernel(&image("move"))
        .append("mb=4");
    if incoming {
        builder = builder.args(["-incoming", "defer"]);
    }
    if let Some(folder) = folder {
        builder = builder.args([
            "-object".to_owned(),
            format!(
                "tls-creds-x509,id=tls0,endpoint={endpoint},dir={}",
                folder.display()
            ),
        ]);
    }
    let mut side = Side::start(builder);
    if folder.is_some() {
        side.qmp
            .ok("migrate-set-parameters", json!({ "tls-creds": "tls0" }));
    }
    side
}

/// Where the destination waits: a port that the host chose.
fn waits_at(destination: &mut Side) -> String {
    destination
        .qmp
        .ok("migrate-incoming", json!({ "uri": "tcp:127.0.0.1:0" }));
    let answer = destination.qmp.ok("query-migrate", json!({}));
    let address = &answer["socket-address"][0];
    let port = address["port"]
        .as_str()
        .unwrap_or_else(|| panic!("no port: {answer}"));
    format!("tcp:127.0.0.1:{port}")
}

#[test]
fn a_guest_moves_over_tls() {
    let folder = credentials();
    let mut source = side("client", Some(folder.path()), false);
    source.emu.expect("MOVE start", 60);
    let mut destination = side("server", Some(folder.path()), true);
    let address = waits_at(&mut destination);
    let before = source.report();
    source.give(&address);
    let after = destination.report();
    assert!(after.tod > before.tod && after.sweeps >= before.sweeps);
    let text = destination.emu.console.text();
    assert!(!text.contains("LOST"), "{text}");
}

/// Somebody whom the destination's authority does not know, and somebody without TLS: refused,
/// and the guest stays.
#[test]
fn strangers_are_refused() {
    let (ours, theirs) = (credentials(), credentials());
    for stranger in [Some(theirs.path()), None] {
        let mut source = side("client", stranger, false);
        source.emu.expect("MOVE start", 60);
        let mut destination = side("server", Some(ours.path()), true);
        let address = waits_at(&mut destination);
        source.qmp.ok("migrate", json!({ "uri": address }));
        let answer = source.migration(&["completed", "failed"]);
        assert_eq!(answer["status"], "failed", "{answer}");
        assert!(source.runs());
        source.report();
        assert_eq!(destination.emu.wait(60).code(), Some(1));
        let said = destination.emu.stderr();
        assert!(!said.is_empty() && !said.contains("panicked"), "{said}");
    }
}
