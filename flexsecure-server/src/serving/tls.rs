use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// A certificate chain and its key, exchanged without a pause when their files change.
pub(crate) struct TlsIdentity {
    files: TlsFiles,
    certified: RwLock<Arc<CertifiedKey>>,
    seen: Mutex<Option<Seen>>,
}

/// What tells a changed file from an unchanged one.
type Seen = [(SystemTime, u64); 2];

impl TlsIdentity {
    pub(crate) fn load(files: &TlsFiles) -> Result<Arc<Self>, TlsError> {
        let seen = seen(files);
        let certified = read(files)?;
        Ok(Arc::new(Self {
            files: files.clone(),
            certified: RwLock::new(Arc::new(certified)),
            seen: Mutex::new(seen),
        }))
    }

    /// TLS 1.2 and 1.3, the only ones that rustls has.
    pub(crate) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Reads both files again. What can't be used changes nothing.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let seen = seen(&self.files);
        let certified = read(&self.files)?;
        *self.certified.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(())
    }

    /// Whether a file has changed since the last time that both were of use. One may be replaced before the other: then
    /// it is tried again.
    pub(crate) fn is_stale(&self) -> bool {
        let now = seen(&self.files);
        now.is_some() && now != *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The certificate of this server, the first of the chain.
    pub(crate) fn certificate(&self) -> Option<CertificateDer<'static>> {
        let certified = self.certified.read().unwrap_or_else(PoisonError::into_inner);
        certified.cert.first().cloned()
    }
}

impl ResolvesServerCert for TlsIdentity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.certified.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").field("files", &self.files).finish_non_exhaustive()
    }
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let TlsFiles { certificate: path, key: key_path } = files;
    let pem = read_file(path)?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError::Certificate { path: path.clone() })?;
    if chain.is_empty() {
        return Err(TlsError::Certificate { path: path.clone() });
    }
    // What is wrong with a key is not told: it could repeat some of it.
    let key = PrivateKeyDer::from_pem_slice(&read_file(key_path)?)
        .map_err(|_| TlsError::Key { path: key_path.clone() })?;
    let certified = CertifiedKey::from_der(chain, key, &default_provider());
    certified.map_err(|error| {
        if matches!(error, rustls::Error::InconsistentKeys(_)) {
            return TlsError::Mismatch { certificate: path.clone(), key: key_path.clone() };
        }
        if matches!(error, rustls::Error::InvalidCertificate(_)) {
            return TlsError::Certificate { path: path.clone() };
        }
        TlsError::Key { path: key_path.clone() }
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Io { path: path.to_owned(), source })
}

fn seen(files: &TlsFiles) -> Option<Seen> {
    let of = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    Some([of(&files.certificate)?, of(&files.key)?])
}

/// Why TLS can't be served with the configured files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// It is missing, or may not be read.
    #[error("the TLS file {path} can't be read")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It holds none, or something else.
    #[error("{path} holds no certificate chain in PEM")]
    Certificate {
        /// The file.
        path: PathBuf,
    },
    /// It holds none, an encrypted one, or one of a kind that is not supported.
    #[error(
        "{path} holds no usable private key in PEM: it must be an unencrypted RSA, ECDSA or Ed25519 key"
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// One of them was replaced and the other was not.
    #[error("the private key {key} does not belong to the certificate {certificate}")]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The cryptography offers no safe version of TLS.
    #[error("TLS can't be set up")]
    Setup(#[source] rustls::Error),
}
