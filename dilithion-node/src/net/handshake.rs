//! The version handshake of one connection, without IO (spec: wire §3).

use std::sync::Arc;

use dilithion_wire::{ChainParams, IncompatibleVersion, VersionMessage};
use thiserror::Error;

use super::Direction;

/// How far a handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeState {
    /// The connection exists; our `version` has not been sent.
    Connected,
    /// Our `version` has been sent.
    VersionSent,
    /// Both sides have confirmed.
    Complete,
}

/// What a handshake wants done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send our `version`.
    SendVersion,
    /// Send `verack`.
    SendVerack,
    /// The handshake just became complete.
    Complete,
}

/// Why a connection is of no use.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HandshakeError {
    /// The peer is too old or follows another chain.
    #[error(transparent)]
    Incompatible(#[from] IncompatibleVersion),
    /// The nonce in its `version` is one of our own.
    #[error("connected to ourselves")]
    SelfConnection,
}

/// The state machine of one handshake.
#[derive(Clone, Debug)]
pub struct Handshake {
    params: Arc<ChainParams>,
    state: HandshakeState,
    version_received: bool,
    verack_received: bool,
}

impl Handshake {
    /// A handshake on a fresh connection of this network, and what it does first: the side that dialled speaks first.
    #[must_use]
    pub fn new(direction: Direction, params: Arc<ChainParams>) -> (Self, Option<Step>) {
        let state = HandshakeState::Connected;
        let mut handshake = Self { params, state, version_received: false, verack_received: false };
        let first = (direction == Direction::Outbound).then(|| handshake.send_version());
        (handshake, first)
    }

    /// How far it has come.
    #[must_use]
    pub fn state(&self) -> HandshakeState {
        self.state
    }

    /// A `version` arrived. `own_nonce` says whether its nonce is one that this node sent.
    ///
    /// A second `version` is answered with another `verack` and changes nothing else, as the C++ nodes do.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] if the connection is of no use.
    pub fn on_version(
        &mut self,
        version: &VersionMessage,
        own_nonce: bool,
    ) -> Result<Vec<Step>, HandshakeError> {
        if own_nonce {
            return Err(HandshakeError::SelfConnection);
        }
        version.check(&self.params)?;
        self.version_received = true;
        let mut steps = Vec::with_capacity(3);
        if self.state == HandshakeState::Connected {
            steps.push(self.send_version());
        }
        steps.push(Step::SendVerack);
        steps.extend(self.completed());
        Ok(steps)
    }

    /// A `verack` arrived. It may overtake the peer's `version`; both are needed to complete.
    pub fn on_verack(&mut self) -> Option<Step> {
        self.verack_received = true;
        self.completed()
    }

    fn send_version(&mut self) -> Step {
        self.state = HandshakeState::VersionSent;
        Step::SendVersion
    }

    fn completed(&mut self) -> Option<Step> {
        let complete =
            self.state == HandshakeState::VersionSent && self.version_received && self.verack_received;
        complete.then(|| {
            self.state = HandshakeState::Complete;
            Step::Complete
        })
    }
}

#[cfg(test)]
mod tests {
    use dilithion_wire::{BlockHash, Height};

    use super::*;

    fn params() -> Arc<ChainParams> {
        Arc::new(ChainParams::testnet())
    }

    fn version() -> VersionMessage {
        let peer = "127.0.0.1:18444".parse().unwrap();
        VersionMessage::new(&params(), peer, 7, Height(5), 1_700_000_000)
    }

    #[test]
    fn outbound_speaks_first_and_completes_on_verack() {
        let (mut handshake, first) = Handshake::new(Direction::Outbound, params());
        assert_eq!(first, Some(Step::SendVersion));
        assert_eq!(handshake.on_version(&version(), false), Ok(vec![Step::SendVerack]));
        assert_eq!(handshake.on_verack(), Some(Step::Complete));
        assert_eq!(handshake.state(), HandshakeState::Complete);
    }

    #[test]
    fn inbound_is_silent_until_version() {
        let (mut handshake, first) = Handshake::new(Direction::Inbound, params());
        assert_eq!(first, None);
        assert_eq!(handshake.on_version(&version(), false), Ok(vec![Step::SendVersion, Step::SendVerack]));
        assert_eq!(handshake.on_verack(), Some(Step::Complete));
    }

    #[test]
    fn bug_142_verack_before_version_still_completes() {
        let (mut handshake, _) = Handshake::new(Direction::Outbound, params());
        assert_eq!(handshake.on_verack(), None);
        assert_eq!(handshake.on_version(&version(), false), Ok(vec![Step::SendVerack, Step::Complete]));
    }

    #[test]
    fn bug_129_a_second_version_gets_one_verack_and_no_version() {
        let (mut handshake, _) = Handshake::new(Direction::Inbound, params());
        handshake.on_version(&version(), false).unwrap();
        assert_eq!(handshake.on_version(&version(), false), Ok(vec![Step::SendVerack]));
        assert_eq!(handshake.on_verack(), Some(Step::Complete));
        assert_eq!(handshake.on_verack(), None, "completes once");
    }

    #[test]
    fn useless_peers_are_named() {
        let (mut handshake, _) = Handshake::new(Direction::Inbound, params());
        let old = VersionMessage { version: 70_000, ..version() };
        assert!(matches!(
            handshake.on_version(&old, false),
            Err(HandshakeError::Incompatible(IncompatibleVersion::Obsolete { version: 70_000, .. }))
        ));
        let stranger = VersionMessage { genesis: Some(BlockHash::from_bytes([1; 32])), ..version() };
        assert!(matches!(
            handshake.on_version(&stranger, false),
            Err(HandshakeError::Incompatible(IncompatibleVersion::WrongGenesis { .. }))
        ));
        assert_eq!(handshake.on_version(&version(), true), Err(HandshakeError::SelfConnection));
        let silent = VersionMessage { genesis: None, ..version() };
        assert!(handshake.on_version(&silent, false).is_ok(), "older nodes name no genesis block");
    }
}
