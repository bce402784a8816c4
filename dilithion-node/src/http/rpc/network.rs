//! Peers and bans.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dilithion_wire::{PeerId, USER_AGENT};
use serde_json::{Value, json};

use super::args::Args;
use super::error::RpcError;
use super::method::{Answer, Method};
use crate::clock::Now;
use crate::http::app::App;
use crate::http::rest::peers::moment;
use crate::http::rest::status::unix;
use crate::net::{BAN_DURATION, Ban, Direction, PeerInfo, PeerSnapshot, Purpose};

pub(super) const METHODS: &[Method] = &[
    Method::new("getconnectioncount", &[], "Number of connections", |app, _| {
        Box::pin(async move { Ok(complete(&app).into()) })
    }),
    Method::new("getpeerinfo", &[], "Each connection", |app, _| Box::pin(async move { Ok(peer_info(&app)) })),
    Method::new("getnetworkinfo", &[], "How this node takes part in the network", |app, _| {
        Box::pin(async move { Ok(network_info(&app)) })
    }),
    Method::action(
        "addnode",
        &["node", "command"],
        "add, remove or onetry a peer at IP:PORT",
        |app, args| Box::pin(async move { add_node(&app, &args) }),
    ),
    Method::action("disconnectnode", &["address", "nodeid"], "Close a connection", |app, args| {
        Box::pin(async move { disconnect_node(&app, &args) })
    }),
    Method::action(
        "setban",
        &["subnet", "command", "bantime", "absolute"],
        "add or remove the ban of an IP",
        |app, args| Box::pin(async move { set_ban(&app, &args) }),
    ),
    Method::new("listbanned", &[], "Bans with their reasons", |app, _| {
        Box::pin(async move { Ok(list_banned(&app)) })
    }),
    Method::action("clearbanned", &[], "Lift all bans", |app, _| {
        Box::pin(async move {
            app.node.clear_banned();
            Ok(Value::Null)
        })
    }),
];

/// Connections whose handshake is complete.
fn complete(app: &App) -> usize {
    app.node.peers().iter().filter(|(peer, _)| peer.handshake_complete).count()
}

fn peer_info(app: &App) -> Value {
    let (detail, now) = (app.node.detail(), app.node.now());
    let view = |(peer, info): (PeerSnapshot, PeerInfo)| {
        let progress = detail.peers.iter().find(|progress| progress.peer == peer.id);
        let mut value = peer_json(&peer, &info, now);
        let synced_headers = progress.map_or(-1, |progress| i64::from(progress.height.0));
        crate::json::set(&mut value, "synced_headers", synced_headers);
        crate::json::set(&mut value, "inflight", progress.map_or(0, |progress| progress.in_flight));
        value
    };
    app.node.peers().into_iter().map(view).collect()
}

fn peer_json(peer: &PeerSnapshot, info: &PeerInfo, now: Now) -> Value {
    let said = info.version.as_ref();
    json!({
        "id": peer.id.0,
        "addr": peer.address.to_string(),
        "inbound": peer.direction == Direction::Inbound,
        "addnode": peer.purpose == Purpose::Manual,
        "services": format!("{:016x}", said.map_or(0, |said| said.services)),
        "relaytxes": said.is_some_and(|said| said.relay),
        "bytes_sent": info.bytes_sent,
        "bytes_recv": info.bytes_received,
        "conntime": unix(info.connected, now),
        "lastsend": moment(peer.last_send, now).unwrap_or(0),
        "lastrecv": moment(peer.last_recv, now).unwrap_or(0),
        "pingtime": peer.ping_rtt.map(|rtt| rtt.as_secs_f64()),
        "minping": info.min_ping.map(|rtt| rtt.as_secs_f64()),
        "version": said.map_or(0, |said| said.version),
        "subver": said.map_or("", |said| said.user_agent.as_str()),
        "startingheight": said.map_or(-1, |said| said.start_height),
        "misbehavior": peer.score,
    })
}

fn network_info(app: &App) -> Value {
    let peers = app.node.peers();
    let inbound = peers.iter().filter(|(peer, _)| peer.direction == Direction::Inbound).count();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "subversion": USER_AGENT,
        "protocolversion": app.node.params().protocol_version,
        "networkactive": true,
        "connections": peers.len(),
        "connections_in": inbound,
        "connections_out": peers.len() - inbound,
        "listening": app.node.listening().map(|address| address.to_string()),
    })
}

fn add_node(app: &App, args: &Args) -> Answer {
    let address: SocketAddr = args
        .required::<String>("node")?
        .parse()
        .map_err(|_| RpcError::bad_address("node must be IP:PORT"))?;
    match args.required::<String>("command")?.as_str() {
        "add" => app.node.add_peer(address),
        "onetry" => app.node.try_peer(address),
        "remove" if app.node.remove_peer(address) => {}
        "remove" => return Err(RpcError::not_connected(format!("{address} was not added"))),
        other => {
            return Err(RpcError::invalid_params(format!(
                "command must be add, remove or onetry, not '{other}'"
            )));
        }
    }
    Ok(Value::Null)
}

fn disconnect_node(app: &App, args: &Args) -> Answer {
    let address = args.optional::<String>("address")?.filter(|address| !address.is_empty());
    let id = match (address, args.optional("nodeid")?) {
        (None, Some(id)) => Some(PeerId(id)),
        (Some(address), None) => {
            let address: SocketAddr =
                address.parse().map_err(|_| RpcError::bad_address("address must be IP:PORT"))?;
            app.node.peers().iter().find(|(peer, _)| peer.address == address).map(|(peer, _)| peer.id)
        }
        _ => return Err(RpcError::invalid_params("either address or nodeid")),
    };
    if id.is_some_and(|id| app.node.disconnect(id)) {
        Ok(Value::Null)
    } else {
        Err(RpcError::not_connected("no such connection"))
    }
}

fn set_ban(app: &App, args: &Args) -> Answer {
    let address: IpAddr = args
        .required::<String>("subnet")?
        .parse()
        .map_err(|_| RpcError::bad_address("subnet must be an IP address; whole networks are not banned"))?;
    match args.required::<String>("command")?.as_str() {
        "add" => {
            let seconds: Option<u64> = args.optional("bantime")?.filter(|seconds| *seconds > 0);
            let absolute = args.optional::<bool>("absolute")?.unwrap_or(false);
            let duration = match seconds {
                None => BAN_DURATION,
                Some(until) if absolute => Duration::from_secs(until.saturating_sub(app.node.now().unix)),
                Some(seconds) => Duration::from_secs(seconds),
            };
            if duration.is_zero() {
                return Err(RpcError::out_of_range("bantime is in the past"));
            }
            app.node.ban(address, "by the operator".to_owned(), duration);
        }
        "remove" if app.node.unban(address) => {}
        "remove" => return Err(RpcError::bad_address(format!("{address} is not banned"))),
        other => {
            return Err(RpcError::invalid_params(format!("command must be add or remove, not '{other}'")));
        }
    }
    Ok(Value::Null)
}

fn list_banned(app: &App) -> Value {
    let now = app.node.now().unix;
    let view = |ban: Ban| {
        json!({
            "address": ban.host.to_string(),
            "ban_created": ban.since,
            "banned_until": ban.until,
            "ban_duration": ban.until.saturating_sub(ban.since),
            "time_remaining": ban.until.saturating_sub(now),
            "ban_reason": ban.reason,
        })
    };
    app.node.banned().into_iter().map(view).collect()
}
