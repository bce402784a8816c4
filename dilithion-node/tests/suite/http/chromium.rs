//! A headless Chromium, driven over its own protocol. It can reach nothing but this machine.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use super::client::request;

/// Where the distribution installs it.
const PROGRAM: &str = "chromium";
/// Longest time that it may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page.
pub struct Chromium {
    child: Child,
    _profile: tempfile::TempDir,
    socket: WebSocket<TcpStream>,
    last: u64,
    /// What the page did, as the protocol tells it.
    pub events: Vec<Value>,
}

impl Chromium {
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new(PROGRAM)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-extensions",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            // A proxy that is not there: whatever is not on this machine cannot be reached.
            .args([
                "--proxy-server=127.0.0.1:9",
                "--remote-debugging-port=0",
                "--force-device-scale-factor=1",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is installed: apt-get install chromium");
        let port = port(profile.path()).await;
        let address = ([127, 0, 0, 1], port).into();
        let pages = request(address, "GET /json/list HTTP/1.1\r\nHost: localhost\r\n\r\n").await.json();
        let page = pages.as_array().unwrap().iter().find(|page| page["type"] == "page").unwrap();
        let url = page["webSocketDebuggerUrl"].as_str().unwrap().to_owned();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        let mut browser = Self { child, _profile: profile, socket, last: 0, events: Vec::new() };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Sends a command; its number.
    pub fn send(&mut self, method: &str, params: &Value) -> u64 {
        self.last += 1;
        let text = json!({ "id": self.last, "method": method, "params": params }).to_string();
        self.socket.send(Message::text(text)).unwrap();
        self.last
    }

    /// The answer to a command; events that come before it are kept.
    pub fn answer(&mut self, id: u64) -> Value {
        loop {
            let mut message = self.read();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{message}");
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = self.send(method, params);
        self.answer(id)
    }

    /// Opens a page and waits until it is there.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.read();
            self.events.push(event);
        }
    }

    fn read(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().expect("Chromium answers") {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// The value of an expression in the page; a promise is waited for.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let id = self.begin(expression);
        self.value(id)
    }

    /// Begins to evaluate an expression.
    pub fn begin(&mut self, expression: &str) -> u64 {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        self.send("Runtime.evaluate", &params)
    }

    /// The value of what was begun.
    pub fn value(&mut self, id: u64) -> Value {
        let mut result = self.answer(id);
        assert!(result["exceptionDetails"].is_null(), "{result:#}");
        result["result"]["value"].take()
    }

    pub fn set_width(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    pub fn set_scheme(&mut self, scheme: &str) {
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &feature);
    }

    pub fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                &json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": 9 }),
            );
        }
    }

    /// Saves what the page looks like.
    pub fn screenshot(&mut self, file: &Path) {
        let shot =
            self.call("Page.captureScreenshot", &json!({ "format": "png", "captureBeyondViewport": false }));
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port that it has chosen, once it says so.
async fn port(profile: &Path) -> u16 {
    let file = profile.join("DevToolsActivePort");
    loop {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some(port) = text.split_once('\n').and_then(|(port, _)| port.parse().ok()) {
            return port;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
