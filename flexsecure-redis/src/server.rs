use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, TlsCertificates,
};

use crate::ConfigError;
use crate::fault::Fault;
use crate::link::{Connection, TRY};

/// Where the store is and how to get in.
#[derive(Clone)]
pub(crate) enum Server {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
}

impl Server {
    pub(crate) fn single(url: &str, roots: Option<&[u8]>) -> Result<Self, ConfigError> {
        Ok(Self::Single(Box::new(client(info(url)?, roots)?)))
    }

    pub(crate) fn cluster(urls: &[String], roots: Option<&[u8]>) -> Result<Self, ConfigError> {
        let nodes = urls.iter().map(|url| info(url)).collect::<Result<Vec<_>, _>>()?;
        let mut builder = ClusterClient::builder(nodes)
            .retries(2)
            .min_retry_wait(10)
            .max_retry_wait(100)
            .tcp_settings(tcp_settings())
            .connection_timeout(TRY)
            .response_timeout(TRY);
        if let Some(roots) = roots {
            builder = builder.certs(certificates(roots));
        }
        builder.build().map(Box::new).map(Self::Cluster).map_err(|_| ConfigError::NotARedisUrl)
    }

    pub(crate) async fn connect(&self) -> Result<Connection, Fault> {
        match self {
            Self::Single(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(None)
                    .set_response_timeout(None);
                let connection = client.get_multiplexed_async_connection_with_config(&config).await;
                Ok(Connection::Single(connection?))
            }
            Self::Cluster(client) => Ok(Connection::Cluster(client.get_async_connection().await?)),
        }
    }
}

fn client(info: ConnectionInfo, roots: Option<&[u8]>) -> Result<Client, ConfigError> {
    match (info.addr(), roots) {
        (ConnectionAddr::TcpTls { .. }, Some(roots)) => {
            let client = Client::build_with_tls(info, certificates(roots));
            client.map_err(|_| ConfigError::Certificates)
        }
        _ => Client::open(info).map_err(|_| ConfigError::NotARedisUrl),
    }
}

fn info(url: &str) -> Result<ConnectionInfo, ConfigError> {
    let info = url.into_connection_info().map_err(|_| ConfigError::NotARedisUrl)?;
    // A URL has a way to ask for no verification.
    if let ConnectionAddr::TcpTls { insecure: false, .. } = info.addr() {
        take_crypto_provider();
    } else if !matches!(info.addr(), ConnectionAddr::Tcp(..)) {
        return Err(ConfigError::NotARedisUrl);
    }
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    let redis = redis.set_skip_set_lib_name();
    Ok(info.set_redis_settings(redis).set_tcp_settings(tcp_settings()))
}

/// The client of the server asks the process for one; who has set one keeps it.
fn take_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, with the same right.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

fn certificates(roots: &[u8]) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: Some(roots.to_vec()) }
}

fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive)
}

const KEEPALIVE: Duration = Duration::from_secs(5);
