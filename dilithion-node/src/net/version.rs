//! What we say of ourselves.

use std::net::SocketAddr;

use dilithion_wire::{Address, ChainParams, Height, Services, USER_AGENT, VersionMessage};

/// Our `version` message for one connection.
pub(crate) fn version_message(
    params: &ChainParams,
    peer: SocketAddr,
    nonce: u64,
    height: Height,
    unix_time: u64,
) -> VersionMessage {
    VersionMessage {
        version: params.protocol_version,
        services: Services::NETWORK,
        time: i64::try_from(unix_time).unwrap_or(i64::MAX),
        receiver: Address::from(peer),
        // Unknown from here; the C++ nodes send the same.
        sender: Address::from(SocketAddr::from(([0, 0, 0, 0], 0))),
        nonce,
        user_agent: USER_AGENT.to_owned(),
        start_height: i32::try_from(height.0).unwrap_or(i32::MAX),
        relay: true,
        // Older nodes ignore trailing bytes; mainnet's demand them (spec: wire §3).
        genesis: Some(params.genesis.hash),
    }
}

#[cfg(test)]
mod tests {
    use dilithion_wire::{Command, Message};

    use super::*;

    #[test]
    fn our_version_names_protocol_agent_and_genesis() {
        let params = ChainParams::testnet();
        let peer = SocketAddr::from(([127, 0, 0, 1], 18444));
        let version = version_message(&params, peer, 1, Height(12), 1_700_000_000);
        assert_eq!(version.version, 70001);
        assert_eq!(version.user_agent, "Dilithion:1.0.0");
        assert_eq!(version.start_height, 12);
        assert_eq!(version.genesis, Some(params.genesis.hash));
        let raw = Message::Version(version).to_raw();
        assert_eq!(raw.command, Command::VERSION);
        assert!(raw.payload.len() <= 400, "the size window of spec: wire §1.5");
    }
}
