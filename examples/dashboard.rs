//! The state of a running node in the terminal: `dashboard [IP:PORT]` of its HTTP server; `q` ends it.
//!
//! Without an address it starts a node of its own, draws it once into memory, and prints that.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dilithion_node::http::{HttpConfig, HttpServer, Services};
use dilithion_node::{Node, NodeConfig};
use dilithion_wire::ChainParams;
use ratatui::Frame;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode};
use ratatui::layout::{Constraint, Layout};
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Table};
use serde_json::Value;

/// How often the node is asked.
const INTERVAL: Duration = Duration::from_millis(500);

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1) {
        Some(address) => watch(address.parse().context("usage: dashboard [IP:PORT]")?),
        None => show_own_node(),
    }
}

/// What the node says, drawn again and again until `q` is pressed.
fn watch(node: SocketAddr) -> anyhow::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let result = loop {
        let (status, peers) = match ask_both(node) {
            Ok(answers) => answers,
            Err(error) => break Err(error),
        };
        if let Err(error) = terminal.draw(|frame| draw(frame, &status, &peers)) {
            break Err(error.into());
        }
        if event::poll(INTERVAL)?
            && matches!(event::read()?, Event::Key(key) if key.code == KeyCode::Char('q'))
        {
            break Ok(());
        }
    };
    ratatui::try_restore()?;
    result
}

fn show_own_node() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut config = NodeConfig::new(Arc::new(ChainParams::regtest()), folder.path());
    config.net.listen = None;
    let runtime = tokio::runtime::Runtime::new()?;
    let node = runtime.block_on(Node::start(config))?;
    let http = HttpConfig::new(0, folder.path());
    let server = HttpServer::start(http, Services::new(node.handle()))?;
    let (status, peers) = ask_both(server.address())?;
    let mut terminal = ratatui::Terminal::new(TestBackend::new(72, 14))?;
    terminal.draw(|frame| draw(frame, &status, &peers))?;
    let screen = terminal.backend().to_string();
    println!("{screen}");
    assert!(screen.contains("regtest") && screen.contains("blocks 0 of 0"), "the node shows its chain");
    runtime.block_on(node.stop());
    Ok(())
}

fn draw(frame: &mut Frame<'_>, status: &Value, peers: &Value) {
    let rows = [Constraint::Length(3), Constraint::Length(3), Constraint::Length(3), Constraint::Min(3)];
    let [head, headers, blocks, table] = Layout::vertical(rows).areas(frame.area());
    let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
    let title = format!(" {} · {} ", text("network"), text("state"));
    frame.render_widget(Paragraph::new(text("waiting_for")).block(Block::bordered().title(title)), head);
    frame.render_widget(bar("proved", status, "ready_headers", "header_height"), headers);
    frame.render_widget(bar("blocks", status, "chain_height", "header_height"), blocks);
    let rows = peers["peers"].as_array().into_iter().flatten().map(|peer| {
        let ping = peer["ping_ms"].as_f64().map_or("-".to_owned(), |ping| format!("{ping:.1} ms"));
        Row::new([text_of(&peer["address"]), text_of(&peer["direction"]), ping, text_of(&peer["user_agent"])])
    });
    let widths = [Constraint::Length(24), Constraint::Length(9), Constraint::Length(10), Constraint::Min(10)];
    let header = Row::new(["peer", "direction", "ping", "program"]);
    frame.render_widget(
        Table::new(rows, widths).header(header).block(Block::bordered().title(" peers ")),
        table,
    );
}

/// How much of a height is reached.
fn bar<'a>(what: &str, status: &Value, reached: &str, of: &str) -> Gauge<'a> {
    let height = |key: &str| status[key].as_u64().unwrap_or_default();
    let (reached, of) = (height(reached), height(of));
    #[expect(clippy::cast_precision_loss, reason = "a bar is not that long")]
    let ratio = if of == 0 { 1.0 } else { (reached as f64 / of as f64).clamp(0.0, 1.0) };
    let gauge = Gauge::default().block(Block::bordered().title(format!(" {what} ")));
    gauge.ratio(ratio).label(format!("{what} {reached} of {of}"))
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

fn ask_both(node: SocketAddr) -> anyhow::Result<(Value, Value)> {
    Ok((ask(node, "/api/v1/status")?, ask(node, "/api/v1/peers")?))
}

/// `GET` of a JSON object.
fn ask(node: SocketAddr, path: &str) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect(node).with_context(|| format!("no node listens at {node}"))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    serde_json::from_str(body).with_context(|| format!("the answer to {path} is no JSON"))
}
