//! Asking a node on this machine over HTTP.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::http::COOKIE_FILE;

/// How long the node may take for anything.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer at most; figures take some ten thousand.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Where a node answers.
pub(super) struct HttpClient {
    address: SocketAddr,
}

/// What it answered.
pub(super) struct HttpAnswer {
    /// The first line, as in `HTTP/1.1 200 OK`.
    pub(super) status: String,
    /// What follows the head. If the node sends it in pieces, the lengths of these stand in between.
    pub(super) body: String,
}

impl HttpClient {
    /// The node with this port on this machine.
    pub(super) fn new(port: u16) -> Self {
        Self { address: (Ipv4Addr::LOCALHOST, port).into() }
    }

    /// Reads what everybody on this machine may read.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<HttpAnswer> {
        self.ask(&format!("GET {path}"), "", "")
    }

    /// Sends JSON, with the token in the node's data directory.
    pub(super) fn post(&self, path: &str, datadir: &Path, body: &str) -> anyhow::Result<HttpAnswer> {
        let file = datadir.join(COOKIE_FILE);
        let cookie = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let token = cookie.trim().rsplit(':').next().unwrap_or_default();
        let head = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        self.ask(&format!("POST {path}"), &head, body)
    }

    fn ask(&self, request: &str, head: &str, body: &str) -> anyhow::Result<HttpAnswer> {
        let (host, length) = (self.address, body.len());
        let request = format!(
            "{request} HTTP/1.1\r\nHost: {host}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
        let status = head.lines().next().unwrap_or_default().to_owned();
        Ok(HttpAnswer { status, body: body.to_owned() })
    }
}

impl HttpAnswer {
    /// The body of a success; what the node says is wrong otherwise.
    pub(super) fn success(self) -> anyhow::Result<String> {
        let Self { status, body } = self;
        let code = status.split(' ').nth(1).unwrap_or_default();
        if code.starts_with('2') { Ok(body) } else { bail!("{status}: {}", body.trim()) }
    }
}
