//! What clients that speak TLS are met with: the certificate, its key, and who signs theirs.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::config::{ClientCertificates, TlsConfig};
use crate::error::Error;

/// A certificate's file is no larger.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What new connections are met with.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// For the sessions.
    pub(crate) server: Arc<ServerConfig>,
    /// What the files held, so that a reload sees whether they have changed.
    files: Files,
}

#[derive(Clone, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
    client_certificates: ClientCertificates,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is a secret.
        formatter.debug_struct("Files").finish_non_exhaustive()
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

/// Reads what the configuration names; none if it wants no TLS.
///
/// # Errors
/// [`Error::Tls`].
pub(crate) fn identity(config: &TlsConfig) -> Result<Option<Identity>, Error> {
    if !config.is_on() {
        return Ok(None);
    }
    let files = Files {
        certificate: read("certificate-file", &config.certificate_file)?,
        key: read("key-file", &config.key_file)?,
        client_ca: match config.client_ca_file.as_os_str().is_empty() {
            true => None,
            false => Some(read("client-ca-file", &config.client_ca_file)?),
        },
        client_certificates: config.client_certificates,
    };
    let server = server(config, &files)?;
    Ok(Some(Identity {
        server: Arc::new(server),
        files,
    }))
}

fn server(config: &TlsConfig, files: &Files) -> Result<ServerConfig, Error> {
    let wrong_certificate = |why| wrong("certificate-file", &config.certificate_file, why);
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(
        "certificate-file",
        &config.certificate_file,
        &files.certificate,
    )?;
    let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|error| {
        let why = format!("has no private key as PEM: {error}");
        wrong("key-file", &config.key_file, why)
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong_certificate(format!("cannot be used: {error}")))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(bytes) => {
            let verifier = verifier(config, provider, bytes)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder.with_single_cert(chain, key).map_err(|error| {
        wrong_certificate(format!(
            "cannot be used with the key of {}: {error}",
            config.key_file.display()
        ))
    })
}

fn verifier(
    config: &TlsConfig,
    provider: Arc<CryptoProvider>,
    bytes: &[u8],
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Error> {
    let wrong = |why| wrong("client-ca-file", &config.client_ca_file, why);
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client-ca-file", &config.client_ca_file, bytes)? {
        roots
            .add(certificate)
            .map_err(|error| wrong(format!("has a certificate that cannot sign: {error}")))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match config.client_certificates {
        ClientCertificates::Required => builder,
        ClientCertificates::Optional => builder.allow_unauthenticated(),
    };
    builder
        .build()
        .map_err(|error| wrong(format!("cannot be used: {error}")))
}

fn certificates(
    key: &'static str,
    file: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(wrong(key, file, "has no certificate as PEM".to_owned())),
        Err(error) => Err(wrong(key, file, format!("is no PEM: {error}"))),
    }
}

fn read(key: &'static str, file: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |error: std::io::Error| wrong(key, file, format!("cannot be read: {error}"));
    let length = std::fs::metadata(file).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(wrong(
            key,
            file,
            "is larger than any certificate".to_owned(),
        ));
    }
    std::fs::read(file).map_err(unreadable)
}

fn wrong(key: &'static str, file: &Path, why: String) -> Error {
    Error::Tls {
        key,
        file: file.to_owned(),
        why,
    }
}
