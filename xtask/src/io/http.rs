//! Requests that leave this machine. What is asked on the host itself is asked there, by `host/ask`.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::rules::certificate;
use crate::rules::config::{Health, SiteUrl};
use crate::rules::health::Answer;
use crate::rules::public_site::Asked;

/// Bytes of a body that are read; what is judged stands at its beginning.
const BODY: u64 = 64 * 1024;

/// Where systems keep the certificates that they trust.
const TRUSTED: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Asks a site once, as users reach it: by its name, directly, whatever proxy the environment names.
pub fn ask(site: &SiteUrl, health: &Health, limit: Duration) -> Asked {
    let answer = get(&format!("{site}{}", health.path), &health.headers, limit).map_err(|error| format!("{error:#}"));
    let certificate_ends = if site.tls { certificate_ends(site, limit).ok().flatten() } else { None };
    Asked { answer, certificate_ends }
}

/// What an address answers, whichever status it has; a redirect is an answer.
fn get(url: &str, headers: &BTreeMap<String, String>, limit: Duration) -> Result<Answer> {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(trusted())))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent("cargo-xtask")
        .tls_config(tls)
        .build();
    let request = ureq::Agent::new_with_config(config).get(url);
    let mut response = headers.iter().fold(request, |request, (name, value)| request.header(name, value)).call()?;
    let mut body = Vec::new();
    response.body_mut().as_reader().take(BODY).read_to_end(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    Ok(Answer { status: response.status().as_u16(), headers, body })
}

/// The certificates that this machine trusts: those of `SSL_CERT_FILE`, else the system's. Without any, none is.
fn trusted() -> Vec<Certificate<'static>> {
    let named = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    let files = named.into_iter().chain(TRUSTED.map(Into::into));
    let certificates = files.filter_map(|file| std::fs::read(file).ok()).find_map(|text| {
        let items = parse_pem(&text).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        });
        Some(items.collect::<Vec<_>>()).filter(|certificates| !certificates.is_empty())
    });
    certificates.unwrap_or_default()
}

/// When the certificate that a site shows ends. Nothing is sent over this connection: it ends once the certificate is there.
fn certificate_ends(site: &SiteUrl, limit: Duration) -> Result<Option<SystemTime>> {
    let reader = Arc::new(CertificateReader::default());
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&reader) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = ServerName::try_from(site.host.clone())?;
    let mut connection = ClientConnection::new(Arc::new(config), name)?;
    let address = (site.host.as_str(), site.port).to_socket_addrs()?.next().context("the name leads nowhere")?;
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    // The reader ends the handshake, so this fails whether or not it has seen a certificate.
    let _ended = connection.complete_io(&mut stream);
    let seen = reader.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(seen.and_then(|seen| certificate::ends(&seen)))
}

/// Keeps the certificate that a server shows, and accepts none: whether it can be trusted is judged where something is asked.
#[derive(Debug, Default)]
struct CertificateReader {
    seen: Mutex<Option<Vec<u8>>>,
}

impl CertificateReader {
    fn enough<T>() -> Result<T, rustls::Error> {
        Err(rustls::Error::General("the certificate has been read".to_owned()))
    }
}

impl ServerCertVerifier for CertificateReader {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate.to_vec());
        CertificateReader::enough()
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        CertificateReader::enough()
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        CertificateReader::enough()
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider: CryptoProvider = ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
