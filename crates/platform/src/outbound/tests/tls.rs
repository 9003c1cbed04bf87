//! Real TLS on loopback, with an authority of our own.

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// Serves `body` over TLS as `name`; gives the port and the authority's certificate as a file.
async fn tls_server(name: &str, body: &'static str) -> (u16, tempfile::NamedTempFile) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&ok(body)).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, file)
}

async fn fetch(ca: Option<&Path>, url: String) -> Result<Response, OutboundError> {
    let stub = Stub::new(&[&["127.0.0.1"]]);
    let outbound = Outbound::with(Duration::from_secs(5), true, ca, stub).unwrap();
    outbound.fetch(Request::get(url)).await
}

#[tokio::test]
async fn outbound_trusts_the_authorities_of_the_setting_and_checks_the_name() {
    let (port, ca) = tls_server("proof.example", "over tls").await;
    let response = fetch(Some(ca.path()), format!("https://proof.example:{port}/")).await.unwrap();
    assert_eq!(response.body, "over tls");
    let error = fetch(Some(ca.path()), format!("https://other.example:{port}/")).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "another name is refused: {error}");
    let error = fetch(None, format!("https://proof.example:{port}/")).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "an unknown authority is refused: {error}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "nothing").unwrap();
    let stub = Stub::new(&[&[]]);
    let result = Outbound::with(Duration::from_secs(5), true, Some(file.path()), stub);
    assert!(matches!(result.err(), Some(OutboundError::Setup(problem)) if problem.contains("outbound_ca")));
}
