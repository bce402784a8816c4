//! The page in a real browser.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::chromium::Chromium;
use super::client::{auth, request};
use super::program::Program;
use crate::process::{free_address, import_recorded};

/// The page shows a change of the node within this time.
const LIVE: Duration = Duration::from_secs(1);

/// Resolves to the text of the state as soon as it is not this one.
fn other_state(state: &str) -> String {
    format!(
        "new Promise(done => {{ const look = () => {{ const text = document.getElementById('state').textContent; \
         if (text !== '{state}' && text !== '…') done(text); else setTimeout(look, 5); }}; look(); }})"
    )
}

/// Needs Chromium (`apt-get install chromium`) and writes the pictures of the documentation:
/// `cargo test -p dilithion-node --test suite the_page_lives -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium"]
async fn the_page_lives_in_a_real_browser() {
    let (source_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    import_recorded(source_dir.path());
    let source_address = free_address();
    let source = Program::start(source_dir.path(), &[format!("--port={}", source_address.port())]);
    let node = Program::start(dir.path(), &["--no-listen".to_owned()]);
    let mut browser = Chromium::start().await;
    browser.set_width(1200, 1250);
    let page = format!("http://{}/", node.http);
    browser.open(&page);
    assert_eq!(browser.evaluate(&other_state("")), "IDLE");

    // A change is seen at once.
    let seen = browser.begin(&other_state("IDLE"));
    let body = format!("{{\"address\":\"{source_address}\"}}");
    let action = format!(
        "POST /api/v1/action/add_peer HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{body}",
        auth(dir.path()),
        body.len()
    );
    assert_eq!(request(node.http, &action).await.status, 200);
    let mut status = String::new();
    while status.is_empty() || status == "IDLE" {
        let answer =
            request(node.http, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n").await.json();
        status = answer["state"].as_str().unwrap().to_owned();
    }
    let began = Instant::now();
    let state = browser.value(seen);
    eprintln!("the page shows {state} {:?} after the node", began.elapsed());
    assert!(began.elapsed() < LIVE);

    // While it syncs: the pictures.
    let moving = "new Promise(done => { const e = document.getElementById('window-range'); const look = () => { \
                  if (e.textContent.startsWith('blocks')) done(true); else setTimeout(look, 20); }; look(); })";
    assert_eq!(browser.evaluate(moving), true);
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
    std::fs::create_dir_all(&images).unwrap();
    for (name, scheme, width, height) in [
        ("dashboard-light.png", "light", 1200, 1000),
        ("dashboard-dark.png", "dark", 1200, 1000),
        ("dashboard-narrow.png", "dark", 400, 1400),
    ] {
        browser.set_scheme(scheme);
        browser.set_width(width, height);
        // Two frames later the page has drawn itself anew.
        browser.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
        assert_eq!(browser.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"), scheme == "dark");
        browser.screenshot(&images.join(name));
        let wide = browser.evaluate("document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= width.into(), "{name}: {wide} pixels wide");
    }

    // Without a mouse: the first stop is the way past the header, and what scrolls can be reached.
    let mut stops = Vec::new();
    for _ in 0..3 {
        browser.press("Tab");
        stops.push(browser.evaluate("document.activeElement.className"));
    }
    assert_eq!(stops, ["skip", "scroll", "scroll"]);

    assert_clean(&browser.events, &page);
    drop(browser);
    node.stop();
    source.stop();
}

/// No error on the console, and no request to anybody else.
fn assert_clean(events: &[Value], page: &str) {
    for event in events {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => panic!("{params:#}"),
            "Runtime.consoleAPICalled" => assert_ne!(params["type"], "error", "{params:#}"),
            "Log.entryAdded" => assert_ne!(params["entry"]["level"], "error", "{params:#}"),
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap();
                assert!(url.starts_with(page) || url.starts_with("data:"), "a request to {url}");
            }
            _ => {}
        }
    }
    let requests = events.iter().filter(|event| event["method"] == "Network.requestWillBeSent").count();
    assert!(requests >= 2, "the page and its events were asked for");
}
