//! Where the gateway can be reached: TLS, Unix sockets, and how many at once.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::ask::{Connection, HOST, bare, bearer, list, send};
use crate::rig::{FILE, Folder, Gateway, PATIENCE, Rig};

/// An authority that this test invents.
pub struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), pem)
    }

    /// In PEM form.
    pub fn pem(&self) -> &str {
        &self.1
    }

    pub fn certify(&self, name: &str) -> CertifiedKey<KeyPair> {
        let signing_key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let cert = params.signed_by(&signing_key, &self.0).unwrap();
        CertifiedKey { cert, signing_key }
    }

    /// Connects and offers these protocols, with a certificate or without.
    async fn connect(
        &self,
        address: SocketAddr,
        protocols: &[&str],
        own: Option<&CertifiedKey<KeyPair>>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.1.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = own.signing_key.serialize_pem();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![own.cert.der().clone()], key).unwrap()
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(HOST).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// The certificate that the other end showed.
fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn write(folder: &Folder, made: &CertifiedKey<KeyPair>) {
    folder.write("tls.key", &made.signing_key.serialize_pem());
    folder.write("tls.pem", &made.cert.pem());
}

const TLS: &str = "tls: { address: \"127.0.0.1:0\", certificate: tls.pem, key: tls.key }";

#[tokio::test]
async fn certificates_are_exchanged_while_connections_last() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let (first, second) = (authority.certify(HOST), authority.certify(HOST));
    write(&folder, &first);
    let file = FILE.replace("http: 127.0.0.1:0", TLS);
    let rig = Rig::with(folder, &format!("{file}admin: 127.0.0.1:0\n")).await;
    let health = rig.gateway.out.find("health at http://").await.unwrap();
    let health = health.trim_start_matches("health at http://").trim_end_matches("/ready");
    let metrics = send(health.parse().unwrap(), bare(Method::GET, "/metrics")).await;
    let runs_out = "portcullis_expiry_timestamp_seconds{route=\"(gateway)\",kind=\"certificate\"";
    assert!(metrics.text().contains(runs_out), "{}", metrics.text());
    let token = rig.token();
    let connect = async || authority.connect(rig.address, &["http/1.1"], None).await.unwrap();
    let stream = connect().await;
    assert_eq!(shown(&stream), first.cert.der().to_vec());
    let mut lasts = Connection::over(stream).await;
    assert_eq!(lasts.send(bearer(list(), &token)).await.unwrap().status(), 200);

    // A certificate that is not the key's: what there is stays.
    rig.folder.write("tls.pem", &second.cert.pem());
    rig.gateway.log.find("the one before stays in use").await.unwrap();
    assert_eq!(shown(&connect().await), first.cert.der().to_vec());

    write(&rig.folder, &second);
    rig.gateway.log.find("another certificate is in use").await.unwrap();
    assert_eq!(shown(&connect().await), second.cert.der().to_vec());
    assert_eq!(lasts.send(bearer(list(), &token)).await.unwrap().status(), 200);
    assert!(!rig.gateway.log.so_far().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn http_2_is_spoken_over_tls() {
    let (authority, folder) = (Authority::new(), Folder::new());
    write(&folder, &authority.certify(HOST));
    let rig = Rig::with(folder, &FILE.replace("http: 127.0.0.1:0", TLS)).await;
    let stream = authority.connect(rig.address, &["h2", "http/1.1"], None).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let (mut parts, body) = bearer(list(), &rig.token()).into_parts();
    parts.uri = format!("https://{HOST}/notes").parse().unwrap();
    parts.headers.remove("host");
    let answer = sender.send_request(Request::from_parts(parts, Full::new(body))).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("read_note"));
}

/// Certificates of clients: who must have one, and tokens that are bound to one.
#[tokio::test]
async fn clients_can_be_asked_for_certificates() {
    let (authority, strangers, folder) = (Authority::new(), Authority::new(), Folder::new());
    write(&folder, &authority.certify(HOST));
    folder.write("clients.pem", &authority.1);
    let (own, other) = (authority.certify("laptop"), authority.certify("tablet"));
    let asked = TLS.replace("key: tls.key", "key: tls.key, client_authorities: clients.pem");
    let required = asked.replace(" }", ", require_client_certificate: true }");
    let listeners = format!("{asked}\n  - {required}");
    let rig = Rig::with(folder, &FILE.replace("http: 127.0.0.1:0", &listeners)).await;
    let second = rig.gateway.out.find_nth("listening on https://", 2).await.unwrap();
    let second: SocketAddr = second.rsplit('/').next().unwrap().parse().unwrap();

    let digest = portcullis_test::sha256(own.cert.der());
    let bound = rig.folder.mint.token().audience(crate::rig::RESOURCE);
    let bound = bound.claim("cnf", serde_json::json!({ "x5t#S256": digest })).sign();
    let stranger = strangers.certify("laptop");
    let rows = [
        ("its own", rig.address, Some(&own), Some(200)),
        ("another", rig.address, Some(&other), Some(401)),
        ("none", rig.address, None, Some(401)),
        ("a stranger's", rig.address, Some(&stranger), None),
        ("its own where one is required", second, Some(&own), Some(200)),
        ("none where one is required", second, None, None),
    ];
    for (name, address, certificate, expected) in rows {
        // With TLS 1.3 the refusal comes with the first answer.
        let outcome = match authority.connect(address, &["http/1.1"], certificate).await {
            Ok(stream) => {
                let mut connection = Connection::over(stream).await;
                connection.send(bearer(list(), &bound)).await.ok().map(|reply| reply.status())
            }
            Err(_) => None,
        };
        assert_eq!(outcome, expected, "{name}");
    }
}

#[tokio::test]
async fn a_unix_socket_has_its_mode_and_one_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let socket = folder.path("socket");
    let file = "unix: { path: socket, mode: \"0600\" }";
    let text = FILE.replace("http: 127.0.0.1:0", &format!("{file}\n  - http: 127.0.0.1:0"));
    let mut rig = Rig::with(folder, &text).await;
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let stream = UnixStream::connect(&socket).await.unwrap();
    let mut connection = Connection::over(stream).await;
    let reply = connection.send(bearer(list(), &rig.token())).await.unwrap();
    assert_eq!(reply.status(), 200, "{}", reply.text());

    rig.folder
        .write("second.yaml", &rig.folder.read("gateway.yaml").replace("audit.jsonl", "b.jsonl"));
    let Err(log) = Gateway::try_start(&rig.folder.path("second.yaml")).await else {
        panic!("one socket, two gateways")
    };
    assert!(log.contains("second.yaml:3:5: cannot listen"), "{log}");

    // What a process leaves behind that was killed is in nobody's way.
    rig.gateway.signal(Signal::KILL);
    rig.gateway.ended().await;
    assert!(Path::new(&socket).exists());
    let again = Gateway::start(&rig.folder.path("gateway.yaml")).await;
    UnixStream::connect(&socket).await.unwrap();
    drop(again);
}

#[tokio::test]
async fn connections_beyond_the_most_wait_for_their_turn() {
    let file = FILE.replace("grace_seconds: 20", "max_connections: 1");
    let rig = Rig::with(Folder::new(), &file).await;
    let mut first = Connection::open(rig.address).await;
    assert_eq!(first.send(bearer(list(), &rig.token())).await.unwrap().status(), 200);
    let request = bearer(list(), &rig.token());
    let mut second = tokio::spawn(async move { send(rig.address, request).await.status() });
    let waits = timeout(Duration::from_millis(300), &mut second).await;
    assert!(waits.is_err(), "{waits:?}");
    drop(first);
    assert_eq!(timeout(PATIENCE, second).await.unwrap().unwrap(), 200);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let rig = Rig::new().await;
    for path in ["/", "/notes/", "/notes/more", "/NOTES", "//notes", "/%6eotes", "/.well-known/"] {
        let reply = send(rig.address, bare(Method::GET, path)).await;
        assert_eq!(reply.status(), 404, "{path}");
        assert_eq!(reply.text(), "", "{path}");
    }
}
