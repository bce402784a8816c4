//! Who may ask, how much, and how long.

use std::time::Duration;

use dilithion_node::http::{
    Allowed, HttpConfig, HttpError, HttpServer, MAX_BODY_BYTES, MAX_CONNECTIONS, Services,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::{Served, read_answer, request};
use crate::miner::Miner;

async fn served() -> Served {
    Served::start(&Miner::shared().genesis()).await
}

/// Requirement M10: each kind of refusal has its code, and a JSON body that says why.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_so() {
    let served = served().await;
    let address = served.address();
    for (wanted, text) in [
        (404, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (404, "GET /api/v1/journal HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (405, "DELETE /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (405, "GET /api/v1/action/stop HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (400, "GET /height HTTP/1.1\r\n\r\n"),
        (400, "GET /height HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"),
        (403, "GET /height HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        (403, "GET /height HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n"),
        (403, "GET /height HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n"),
        (401, "POST /api/v1/action/stop HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (401, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"),
        (400, "GET /block/x HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (404, "GET /block/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (400, "GET /api/v1/headers?from=x HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (400, "GET /api/v1/headers?form=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ] {
        let answer = request(address, text).await;
        assert_eq!(answer.status, wanted, "{text}");
        assert!(!answer.json()["error"]["message"].as_str().unwrap().is_empty(), "{text}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    let host = format!("GET /height HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\r\n");
    assert_eq!(request(address, &host).await.status, 200);
    let unauthorized = served.post("/api/v1/action/stop", "Authorization: Bearer 00\r\n", "").await;
    assert_eq!((unauthorized.status, unauthorized.error().as_str()), (401, "unauthorized"));
    assert!(unauthorized.headers["www-authenticate"].starts_with("Bearer"));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_bounded_whether_its_length_is_told_or_not() {
    let served = served().await;
    let auth = served.auth();
    let fits = format!("{{\"reason\":\"{}\"}}", "x".repeat(MAX_BODY_BYTES - 13));
    assert_eq!(fits.len(), MAX_BODY_BYTES);
    assert_eq!(served.act("ban", &fits).await.status, 400, "read to its end, and found wanting");
    let long = fits + " ";
    let answer = served.act("ban", &long).await;
    assert_eq!((answer.status, answer.error().as_str()), (413, "too_large"));

    let mut stream = TcpStream::connect(served.address()).await.unwrap();
    let head = format!(
        "POST /api/v1/action/ban HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{auth}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..5 {
        // The server may have closed already.
        let _ = stream.write_all(chunk.as_bytes()).await;
    }
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 413);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_make_no_sense_are_400() {
    let served = served().await;
    for body in ["{", "[]", "{\"address\":\"x\"}", "{\"address\":\"192.0.2.1\",\"more\":1}", "{}", "\u{0}"] {
        assert_eq!(served.act("ban", body).await.status, 400, "{body}");
    }
    assert_eq!(served.act("dance", "{}").await.status, 404);
    served.stop().await;
}

/// Who connects and says nothing keeps nobody out, and is cut off after the read time-out.
#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_make_room() {
    let served = served().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(served.address()).await.unwrap();
        stream.write_all(b"GET /height HTTP/1.1\r\nHo").await.unwrap();
        silent.push(stream);
    }
    for _ in 0..10 {
        assert_eq!(served.json("/height").await["height"], 0);
    }
    let open = served.get("/metrics").await.text();
    let open = open.lines().find_map(|line| line.strip_prefix("dilithion_http_connections ")).unwrap();
    assert!(open.parse::<usize>().unwrap() <= MAX_CONNECTIONS, "{open}");
    // All are cut off in the end, by newer ones or by time.
    for mut stream in silent {
        let ended = tokio::time::timeout(Duration::from_secs(60), read_answer(&mut stream)).await;
        assert!(ended.expect("the server ends it").is_none_or(|answer| answer.status == 408));
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_needs_leave() {
    let served = served().await;
    let everywhere = |allow: Vec<Allowed>| HttpConfig {
        bind: ([0, 0, 0, 0], 0).into(),
        allow,
        ..HttpConfig::new(0, served.dir.path())
    };
    let refused = HttpServer::start(everywhere(Vec::new()), Services::new(served.node.handle()));
    assert!(matches!(refused, Err(HttpError::Open(_))));
    let taken = HttpConfig { bind: served.address(), ..HttpConfig::new(0, served.dir.path()) };
    assert!(matches!(
        HttpServer::start(taken, Services::new(served.node.handle())),
        Err(HttpError::Listen { .. })
    ));

    let dir = tempfile::tempdir().unwrap();
    let config =
        HttpConfig { datadir: dir.path().into(), ..everywhere(vec!["node.example".parse().unwrap()]) };
    let open = HttpServer::start(config, Services::new(served.node.handle())).unwrap();
    let address = (std::net::Ipv4Addr::LOCALHOST, open.address().port()).into();
    let ask = |host: &'static str| async move {
        request(address, &format!("GET /height HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.status
    };
    assert_eq!(
        (ask("node.example").await, ask("192.0.2.1:80").await, ask("evil.example").await),
        (200, 200, 403)
    );
    tokio::task::spawn_blocking(|| open.stop()).await.unwrap();
    served.stop().await;
}
