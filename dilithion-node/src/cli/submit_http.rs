//! Giving a message to a running node over HTTP.

use std::path::Path;

use anyhow::Context;
use dilithion_wire::DataMessage;
use serde_json::{Value, json};

use super::http_client::HttpClient;

/// Sends the message to `POST /message` on this machine and returns the id that the node gave it.
pub(super) fn submit(port: u16, datadir: &Path, message: &DataMessage) -> anyhow::Result<String> {
    let body = json!({ "sender": message.sender(), "content": message.content() }).to_string();
    let body = HttpClient::new(port).post("/message", datadir, &body)?.success()?;
    // Whether the body comes in pieces or not, the object is between the outermost braces.
    let object = body.find('{').zip(body.rfind('}')).and_then(|(start, end)| body.get(start..=end));
    let value: Value = object.and_then(|object| serde_json::from_str(object).ok()).unwrap_or_default();
    let id = value.get("message_id").and_then(Value::as_str);
    id.map(str::to_owned).with_context(|| format!("no id in {:?}", body.trim()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::http::COOKIE_FILE;

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
