//! TLS on channels: who may speak with whom, with keys and certificates made here.
#![allow(clippy::unwrap_used, reason = "tests end where something is wrong")]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use migration::transport::tls::{Credentials, Endpoint, Tls, TlsError};
use migration::transport::{
    Channel, Closer, Halves, ReadHalf, Settings, TransportError, Uri, WriteHalf, connect, listen,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

/// Who vouches for certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Adds a certificate and its key to a folder.
    fn issue(
        &self,
        folder: &Path,
        endpoint: Endpoint,
        change: impl FnOnce(&mut CertificateParams),
    ) {
        let host = match endpoint {
            Endpoint::Server => vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            Endpoint::Client => Vec::new(),
        };
        let mut params = CertificateParams::new(host).unwrap();
        params.distinguished_name = DistinguishedName::new();
        let name = &mut params.distinguished_name;
        name.push(DnType::CountryName, "DE");
        name.push(DnType::OrganizationName, "Migration, Inc.");
        name.push(DnType::CommonName, endpoint.to_string());
        params.extended_key_usages = vec![match endpoint {
            Endpoint::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Endpoint::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let file = |what| folder.join(format!("{endpoint}-{what}.pem"));
        std::fs::write(file("cert"), certificate.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
    }

    fn trust(&self, folder: &Path) {
        std::fs::write(folder.join("ca-cert.pem"), self.0.pem()).unwrap();
    }

    /// Takes a certificate back.
    fn revoke(&self, folder: &Path, serial: u64) {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: date_time_ymd(2024, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.0).unwrap().pem().unwrap();
        std::fs::write(folder.join("ca-crl.pem"), list).unwrap();
    }
}

/// A folder with everything for both endpoints, by an authority of its own.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(&folder.path().display().to_string());
    authority.trust(folder.path());
    authority.issue(folder.path(), Endpoint::Server, |_| {});
    authority.issue(folder.path(), Endpoint::Client, |_| {});
    folder
}

fn load(folder: &Path, endpoint: Endpoint) -> Tls {
    Tls {
        credentials: Credentials::load(folder, endpoint, true).unwrap(),
        hostname: None,
        authorize: None,
    }
}

fn with(tls: &Tls) -> Settings<'_> {
    Settings {
        tls: Some(tls),
        ..Settings::default()
    }
}

fn closer(stall: Duration) -> Closer {
    Closer::new(stall).unwrap()
}

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

type Opened = Result<Channel, TransportError>;

/// Both sides' attempts on a place.
fn meet(place: &Uri, client: &Tls, server: &Tls) -> (Opened, Opened) {
    let listener = listen(place, &with(server), &closer(LONG)).unwrap();
    assert!(listener.warnings().is_empty(), "TLS needs no warning");
    let to = listener.uri().clone();
    let there = thread::spawn(move || listener.accept());
    let here = connect(&to, &with(client), &closer(LONG));
    (here, there.join().unwrap())
}

fn two(channel: Channel) -> (ReadHalf, WriteHalf) {
    match channel.halves {
        Halves::TwoWay(read, write) => (read, write),
        other => panic!("{other:?} has not two ways"),
    }
}

fn both(folder: &Path) -> (Channel, Channel) {
    let (here, there) = meet(
        &uri("tcp:localhost:0"),
        &load(folder, Endpoint::Client),
        &load(folder, Endpoint::Server),
    );
    (here.unwrap(), there.unwrap())
}

#[test]
fn both_sides_send_and_receive_at_the_same_time() {
    let folder = folder();
    let (here, there) = both(folder.path());
    let (here_read, here_write) = two(here);
    let (there_read, there_write) = two(there);
    let threads = [(here_write, there_read, 3), (there_write, here_read, 5)];
    let threads = threads.map(|(mut write, mut read, step)| {
        let bytes: Vec<u8> = (0..5_000_000_u32).map(|i| (i / step) as u8).collect();
        let sent = bytes.clone();
        let writer = thread::spawn(move || {
            for piece in sent.chunks(700_001) {
                write.write_all(piece).unwrap();
            }
            write.finish().unwrap();
        });
        let reader = thread::spawn(move || {
            let mut found = Vec::new();
            read.read_to_end(&mut found).unwrap();
            assert!(found == bytes, "what arrived is what was sent");
        });
        [writer, reader]
    });
    for thread in threads.into_iter().flatten() {
        thread.join().unwrap();
    }
}

#[test]
fn every_byte_sent_is_there_without_a_flush() {
    let folder = folder();
    let (here, there) = both(folder.path());
    let (mut here_read, mut here_write) = two(here);
    let (mut there_read, mut there_write) = two(there);
    for byte in 0..=255 {
        here_write.write_all(&[byte]).unwrap();
        let mut found = [0];
        there_read.read_exact(&mut found).unwrap();
        assert_eq!(found, [byte]);
        there_write.write_all(&[!byte]).unwrap();
        here_read.read_exact(&mut found).unwrap();
        assert_eq!(found, [!byte]);
    }
}

#[test]
fn a_session_that_just_ends_is_an_error() {
    let folder = folder();
    let (here, there) = both(folder.path());
    let (mut read, _write) = two(here);
    drop(there);
    let error = read.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn time_outs_and_closing_work_under_tls() {
    let folder = folder();
    let client = load(folder.path(), Endpoint::Client);
    let server = load(folder.path(), Endpoint::Server);
    let listener = listen(&uri("tcp:localhost:0"), &with(&server), &closer(LONG)).unwrap();
    let to = listener.uri().clone();
    let there = thread::spawn(move || listener.accept().unwrap());
    // Long enough for the handshake on a busy host.
    let here = connect(&to, &with(&client), &closer(SHORT * 20)).unwrap();
    let there = there.join().unwrap();
    let (mut read, mut write) = two(here);
    let error = read.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let error = loop {
        if let Err(error) = write.write(&[0; 100_000]) {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let ends = there.closer.clone();
    // What has arrived is read, then it waits.
    let (mut read, _write) = two(there);
    let waits = thread::spawn(move || {
        loop {
            if let Err(error) = read.read(&mut [0; 100_000]) {
                return error;
            }
        }
    });
    ends.close();
    assert_eq!(
        waits.join().unwrap().kind(),
        io::ErrorKind::ConnectionAborted
    );
}

/// What the two sides say when they should not come together.
fn refused(client: &Tls, server: &Tls) -> (String, String) {
    let (here, there) = meet(&uri("tcp:localhost:0"), client, server);
    let (here, there) = (here.unwrap_err(), there.unwrap_err());
    for error in [&here, &there] {
        assert!(matches!(error, TransportError::Tls { .. }), "{error}");
    }
    (here.to_string(), there.to_string())
}

#[track_caller]
fn says(text: &str, part: &str) {
    assert!(text.contains(part), "'{part}' is not in: {text}");
}

#[test]
fn a_stranger_is_refused_on_either_side() {
    let (ours, theirs) = (folder(), folder());
    let client = load(ours.path(), Endpoint::Client);
    let server = load(theirs.path(), Endpoint::Server);
    let (here, there) = refused(&client, &server);
    says(&here, "UnknownIssuer");
    says(&there, "alert");
    // A client that would talk to anybody is refused by the server.
    let mut client = client;
    client.credentials = Credentials::load(ours.path(), Endpoint::Client, false).unwrap();
    let (here, there) = refused(&client, &server);
    says(&there, "UnknownIssuer");
    says(&here, "alert");
    // One without a certificate as well.
    let nobody = tempfile::tempdir().unwrap();
    std::fs::copy(
        theirs.path().join("ca-cert.pem"),
        nobody.path().join("ca-cert.pem"),
    )
    .unwrap();
    let (here, there) = refused(&load(nobody.path(), Endpoint::Client), &server);
    says(&there, "no certificates");
    says(&here, "CertificateRequired");
}

#[test]
fn without_verifying_anybody_will_do() {
    let (ours, theirs) = (folder(), folder());
    let any = |folder: &TempDir, endpoint| Tls {
        credentials: Credentials::load(folder.path(), endpoint, false).unwrap(),
        hostname: Some("whoever".into()),
        authorize: None,
    };
    let (here, there) = meet(
        &uri("tcp::0"),
        &any(&ours, Endpoint::Client),
        &any(&theirs, Endpoint::Server),
    );
    assert!(here.is_ok() && there.is_ok());
}

#[test]
fn the_receiver_must_have_the_name_that_was_asked_for() {
    let folder = folder();
    let server = load(folder.path(), Endpoint::Server);
    for (name, fits) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("host.example", false),
    ] {
        let mut client = load(folder.path(), Endpoint::Client);
        client.hostname = Some(name.into());
        if fits {
            let (here, there) = meet(&uri("tcp:localhost:0"), &client, &server);
            assert!(here.is_ok() && there.is_ok(), "{name}");
        } else {
            says(&refused(&client, &server).0, "not valid for name");
        }
    }
    let mut client = load(folder.path(), Endpoint::Client);
    client.hostname = Some("no name at all".into());
    let queue = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = uri(&format!("tcp::{}", queue.local_addr().unwrap().port()));
    let error = connect(&place, &with(&client), &closer(LONG)).unwrap_err();
    says(&error.to_string(), "'no name at all' is no name");
}

#[test]
fn certificates_that_are_over_or_taken_back_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let authority = Authority::new("authority");
    authority.trust(path);
    authority.issue(path, Endpoint::Server, |_| {});
    authority.issue(path, Endpoint::Client, |params| {
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
    });
    let server = load(path, Endpoint::Server);
    let (here, there) = refused(&load(path, Endpoint::Client), &server);
    says(&there, "expired");
    says(&here, "CertificateExpired");

    authority.issue(path, Endpoint::Client, |params| {
        params.serial_number = Some(SerialNumber::from(77));
    });
    let client = load(path, Endpoint::Client);
    let (here, there) = meet(&uri("tcp:localhost:0"), &client, &server);
    assert!(here.is_ok() && there.is_ok());
    authority.revoke(path, 77);
    let (here, there) = refused(&client, &load(path, Endpoint::Server));
    says(&there, "Revoked");
    says(&here, "CertificateRevoked");

    // One for the other end is none.
    let client = tempfile::tempdir().unwrap();
    authority.trust(client.path());
    authority.issue(client.path(), Endpoint::Client, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let (_, there) = refused(&load(client.path(), Endpoint::Client), &server);
    says(&there, "does not allow extended key usage");
}

#[test]
fn the_sender_must_be_authorised_by_name() {
    let folder = folder();
    let client = load(folder.path(), Endpoint::Client);
    let mut server = load(folder.path(), Endpoint::Server);
    let name = r"CN=client,O=Migration\, Inc.,C=DE";
    server.authorize = Some(Arc::new(move |found| {
        assert_eq!(found, name);
        true
    }));
    let (here, there) = meet(&uri("tcp:localhost:0"), &client, &server);
    assert!(here.is_ok() && there.is_ok());
    server.authorize = Some(Arc::new(|_| false));
    let (here, there) = refused(&client, &server);
    says(
        &there,
        r"the peer 'CN=client,O=Migration\, Inc.,C=DE' is not authorised",
    );
    says(&here, "the peer closed the connection");
    // Without its certificate nobody is known.
    server.credentials = Credentials::load(folder.path(), Endpoint::Server, false).unwrap();
    let (_, there) = refused(&client, &server);
    says(&there, "names nobody");
}

#[test]
fn a_peer_without_tls_is_an_error_on_both_sides() {
    let folder = folder();
    let server = load(folder.path(), Endpoint::Server);
    let listener = listen(&uri("tcp:localhost:0"), &with(&server), &closer(LONG)).unwrap();
    let to = listener.uri().clone();
    let there = thread::spawn(move || listener.accept());
    let (mut read, mut write) = two(connect(&to, &Settings::default(), &closer(LONG)).unwrap());
    write.write_all(&migration::stream::MAGIC).unwrap();
    let error = there.join().unwrap().unwrap_err();
    says(&error.to_string(), "the TLS handshake failed");
    // An alert, perhaps, and the end.
    let _ = read.read_to_end(&mut Vec::new());

    let client = load(folder.path(), Endpoint::Client);
    let listener = listen(&uri("tcp:localhost:0"), &Settings::default(), &closer(LONG)).unwrap();
    let to = listener.uri().clone();
    let there = thread::spawn(move || {
        let (read, write) = two(listener.accept().unwrap());
        let error = migration::stream::Reader::begin(read).unwrap_err();
        drop(write);
        error.to_string()
    });
    let error = connect(&to, &with(&client), &closer(LONG)).unwrap_err();
    says(&error.to_string(), "the TLS handshake failed");
    says(&there.join().unwrap(), "this is no migration stream");
}

#[test]
fn a_handshake_does_not_wait_for_ever() {
    let folder = folder();
    let client = load(folder.path(), Endpoint::Client);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = connect(
        &uri(&format!("tcp::{port}")),
        &with(&client),
        &closer(SHORT),
    )
    .unwrap_err();
    says(
        &error.to_string(),
        "no byte moved on the channel for 100 ms",
    );

    let server = load(folder.path(), Endpoint::Server);
    let listener = listen(&uri("tcp::0"), &with(&server), &closer(SHORT)).unwrap();
    let Uri::Tcp { port, .. } = *listener.uri() else {
        panic!("it is TCP");
    };
    let _silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let error = listener.accept().unwrap_err();
    says(
        &error.to_string(),
        "no byte moved on the channel for 100 ms",
    );

    let ends = closer(LONG);
    let listener = listen(&uri("tcp::0"), &with(&server), &ends).unwrap();
    let Uri::Tcp { port, .. } = *listener.uri() else {
        panic!("it is TCP");
    };
    let waits = thread::spawn(move || listener.accept());
    let _silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    ends.close();
    let error = waits.join().unwrap().unwrap_err();
    says(
        &error.to_string(),
        "the channel was shut down from this side",
    );
}

#[test]
fn other_channels_take_tls_if_they_have_two_ways() {
    let folder = folder();
    let mut client = load(folder.path(), Endpoint::Client);
    let server = load(folder.path(), Endpoint::Server);
    let path = folder.path().join("s");
    let place = uri(&format!("unix:{}", path.display()));
    let listener = listen(&place, &with(&server), &closer(LONG)).unwrap();
    let error = connect(&place, &with(&client), &closer(LONG)).unwrap_err();
    says(&error.to_string(), "tls-hostname");
    drop(listener);
    client.hostname = Some("localhost".into());
    let (here, there) = meet(&place, &client, &server);
    assert!(here.is_ok() && there.is_ok());
    for text in ["exec:cat", "file:/dev/null"] {
        let error = connect(&uri(text), &with(&client), &closer(LONG)).unwrap_err();
        assert!(matches!(error, TransportError::TlsOneWay { .. }), "{error}");
        let error = listen(&uri(text), &with(&server), &closer(LONG)).unwrap_err();
        assert!(matches!(error, TransportError::TlsOneWay { .. }), "{error}");
    }
}

#[test]
fn credentials_that_cannot_be_used_are_told() {
    let folder = folder();
    let path = folder.path();
    let fails = |endpoint, part: &str| {
        let error = Credentials::load(path, endpoint, true).unwrap_err();
        says(&error.to_string(), part);
    };
    // Of the other endpoint.
    let server = load(path, Endpoint::Server);
    let queue = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = uri(&format!("tcp::{}", queue.local_addr().unwrap().port()));
    let error = connect(&place, &with(&server), &closer(LONG)).unwrap_err();
    says(
        &error.to_string(),
        "are for a server, a client needs its own (endpoint=client)",
    );
    // A key of another certificate.
    std::fs::copy(path.join("client-key.pem"), path.join("server-key.pem")).unwrap();
    fails(Endpoint::Server, "cannot be used");
    std::fs::write(path.join("server-key.pem"), "nothing").unwrap();
    fails(
        Endpoint::Server,
        "server-key.pem holds no usable private key",
    );
    std::fs::remove_file(path.join("server-cert.pem")).unwrap();
    fails(Endpoint::Server, "server-");
    std::fs::write(
        path.join("ca-cert.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    fails(
        Endpoint::Client,
        "ca-cert.pem cannot be used to check the peer",
    );
    std::fs::remove_file(path.join("ca-cert.pem")).unwrap();
    fails(Endpoint::Client, "ca-cert.pem holds no usable certificate");
    assert!(Credentials::load(path, Endpoint::Client, false).is_ok());
    let error = Credentials::load(Path::new("/nowhere"), Endpoint::Client, true).unwrap_err();
    assert!(matches!(error, TlsError::File { .. }), "{error}");
}
