//! Giving a message to a running node over HTTP.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use dilithion_wire::DataMessage;
use serde_json::{Value, json};

/// The file in the data directory with the running node's token, as `USER:TOKEN`.
const COOKIE_FILE: &str = ".cookie";
/// How long the node may take for anything.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer at most.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// Sends the message to `POST /message` on this machine and returns the id that the node gave it.
pub(super) fn submit(port: u16, datadir: &Path, message: &DataMessage) -> anyhow::Result<String> {
    let file = datadir.join(COOKIE_FILE);
    let cookie = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let token = cookie.trim().rsplit(':').next().unwrap_or_default();
    let body = json!({ "sender": message.sender(), "content": message.content() }).to_string();
    let request = format!(
        "POST /message HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    id_in(&String::from_utf8_lossy(&answer))
}

/// The id in the node's answer, which ends with one JSON object; or what it says is wrong.
fn id_in(answer: &str) -> anyhow::Result<String> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    // Whether the body comes in pieces or not, the object is between the outermost braces.
    let object = body.find('{').zip(body.rfind('}')).and_then(|(start, end)| body.get(start..=end));
    let value: Value = object.and_then(|object| serde_json::from_str(object).ok()).unwrap_or_default();
    match value["message_id"].as_str() {
        Some(id) if status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) => Ok(id.to_owned()),
        _ => bail!("{status}: {}", body.trim()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answered(answer: &'static str) -> (anyhow::Result<String>, String) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(COOKIE_FILE), "__cookie__:secret").unwrap();
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        let message = DataMessage::new("Alice", "Hello", 1, 2).unwrap();
        (submit(port, dir.path(), &message), serving.join().unwrap())
    }

    #[test]
    fn the_message_goes_with_the_cookie_and_comes_back_as_an_id() {
        let (id, request) = answered("HTTP/1.1 200 OK\r\n\r\n{\"message_id\":\"abc\"}");
        assert_eq!(id.unwrap(), "abc");
        assert!(request.starts_with("POST /message HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nAuthorization: Bearer secret\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\n{\"content\":\"Hello\",\"sender\":\"Alice\"}"), "{request}");
    }

    #[test]
    fn what_the_node_refuses_is_said() {
        let (refused, _) = answered("HTTP/1.1 429 Too Many Requests\r\n\r\n{\"error\":\"pool-full\"}");
        assert_eq!(
            refused.unwrap_err().to_string(),
            "HTTP/1.1 429 Too Many Requests: {\"error\":\"pool-full\"}"
        );
        assert!(answered("nonsense").0.is_err());
    }
}
