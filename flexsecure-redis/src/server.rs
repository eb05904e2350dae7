use std::fmt;
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, TlsCertificates,
};

use crate::ConfigError;
use crate::fault::Fault;
use crate::link::Connection;

/// Where the store is and how to get in.
pub(crate) struct Server {
    /// One, or those of a cluster that are asked for the others.
    nodes: Vec<ConnectionInfo>,
    cluster: Option<ClusterClient>,
}

/// A node of a cluster as others name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Server {
    pub(crate) fn single(url: &str, roots: Option<&[u8]>) -> Result<Self, ConfigError> {
        Ok(Self { nodes: vec![info(url, roots)?], cluster: None })
    }

    pub(crate) fn cluster(
        urls: &[String],
        roots: Option<&[u8]>,
        one_try: Duration,
    ) -> Result<Self, ConfigError> {
        let nodes = urls.iter().map(|url| info(url, roots)).collect::<Result<Vec<_>, _>>()?;
        let mut builder = ClusterClient::builder(nodes.clone())
            .retries(2)
            .min_retry_wait(10)
            .max_retry_wait(100)
            .tcp_settings(tcp_settings())
            .connection_timeout(one_try)
            .response_timeout(one_try);
        if let Some(roots) = roots {
            builder = builder.certs(certificates(roots));
        }
        let cluster = builder.build().map_err(|_| ConfigError::NotARedisUrl)?;
        Ok(Self { nodes, cluster: Some(cluster) })
    }

    pub(crate) const fn is_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    pub(crate) async fn connect(&self) -> Result<Connection, Fault> {
        if let Some(cluster) = &self.cluster {
            return Ok(Connection::Cluster(cluster.get_async_connection().await?));
        }
        let node = self.nodes.first().cloned().ok_or(Fault::Unexpected)?;
        let config = AsyncConnectionConfig::new();
        let config = config.set_connection_timeout(None).set_response_timeout(None);
        let client = Client::open(node)?;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Connection::Single(connection))
    }

    /// The nodes that were named.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let address = |node: &ConnectionInfo| {
            if let ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } =
                node.addr()
            {
                return Some(Address { host: host.clone(), port: *port });
            }
            None
        };
        self.nodes.iter().filter_map(address).collect()
    }

    /// For who wants to be told of changes, at the node that was named or at another.
    pub(crate) fn watching(&self, at: Option<&Address>) -> Result<Client, Fault> {
        let mut node = self.nodes.first().cloned().ok_or(Fault::Unexpected)?;
        if let Some(Address { host, port }) = at {
            let (host, port) = (host.clone(), *port);
            let address = if let ConnectionAddr::TcpTls { tls_params, .. } = node.addr() {
                let tls_params = tls_params.clone();
                ConnectionAddr::TcpTls { host, port, insecure: false, tls_params }
            } else {
                ConnectionAddr::Tcp(host, port)
            };
            node = node.set_addr(address);
        }
        let redis = node.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Ok(Client::open(node.set_redis_settings(redis))?)
    }
}

fn info(url: &str, roots: Option<&[u8]>) -> Result<ConnectionInfo, ConfigError> {
    let info = url.into_connection_info().map_err(|_| ConfigError::NotARedisUrl)?;
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    let redis = redis.set_skip_set_lib_name();
    let info = info.set_redis_settings(redis).set_tcp_settings(tcp_settings());
    // A URL has a way to ask for no verification.
    if let ConnectionAddr::TcpTls { insecure: false, .. } = info.addr() {
        take_crypto_provider();
        let Some(roots) = roots else { return Ok(info) };
        let client = Client::build_with_tls(info, certificates(roots));
        let client = client.map_err(|_| ConfigError::Certificates)?;
        return Ok(client.get_connection_info().clone());
    }
    if matches!(info.addr(), ConnectionAddr::Tcp(..)) {
        return Ok(info);
    }
    Err(ConfigError::NotARedisUrl)
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
