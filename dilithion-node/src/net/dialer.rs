//! How outbound connections and names are resolved: a trait, so that tests never leave the machine.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::net::TcpStream;

/// A boxed future of a dialer.
pub type DialFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Opens connections and resolves DNS seeds.
pub trait Dialer: Send + Sync + 'static {
    /// Opens a TCP connection.
    fn dial(&self, address: SocketAddr) -> DialFuture<'_, TcpStream>;
    /// Looks up the addresses of a DNS seed.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> DialFuture<'a, Vec<SocketAddr>>;
}

/// The real network.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDialer;

impl Dialer for TcpDialer {
    fn dial(&self, address: SocketAddr) -> DialFuture<'_, TcpStream> {
        Box::pin(TcpStream::connect(address))
    }

    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> DialFuture<'a, Vec<SocketAddr>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}
