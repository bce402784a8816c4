//! `version`.

use std::net::SocketAddr;

use bytes::BufMut;
use thiserror::Error;

use crate::address::{Address, Services};
use crate::compact_size::{put_var_bytes, var_bytes_len};
use crate::encode::{Decode, DecodeError, Encode};
use crate::hash::BlockHash;
use crate::height::Height;
use crate::limits::MAX_USER_AGENT_BYTES;
use crate::misbehaviour::Misbehaviour;
use crate::params::ChainParams;
use crate::reader::Reader;
use crate::text;

/// How this node introduces itself.
pub const USER_AGENT: &str = "Dilithion:1.0.0";

/// A node introduces itself (spec: wire §2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VersionMessage {
    /// Version of the protocol.
    pub version: i32,
    /// What the node offers.
    pub services: Services,
    /// Its clock, in seconds since 1970.
    pub time: i64,
    /// Whom it speaks to.
    pub receiver: Address,
    /// Its own address, as far as it knows.
    pub sender: Address,
    /// A random number, by which a node recognises itself.
    pub nonce: u64,
    /// Name of its program: at most [`MAX_USER_AGENT_BYTES`]; what is longer is cut when it is encoded.
    pub user_agent: String,
    /// Height of its chain.
    pub start_height: i32,
    /// Whether it wants to hear of transactions. Taken for true if the message ends before it.
    pub relay: bool,
    /// Id of its genesis block. Mainnet demands it; other nodes ignore it (spec: wire §3).
    pub genesis: Option<BlockHash>,
}

impl VersionMessage {
    /// What a node of this workspace says of itself to the node at `receiver`: testnet and mainnet nodes accept it.
    /// `nonce` is a random number of this connection, `unix_time` is in seconds.
    ///
    /// The genesis hash is always there: nodes that do not know of it ignore trailing bytes (spec: wire §1.6, §3).
    #[must_use]
    pub fn new(
        params: &ChainParams,
        receiver: SocketAddr,
        nonce: u64,
        start_height: Height,
        unix_time: u64,
    ) -> Self {
        Self {
            version: params.protocol_version,
            services: Services::NETWORK,
            time: i64::try_from(unix_time).unwrap_or(i64::MAX),
            receiver: Address::from(receiver),
            // Unknown from here; the reference nodes send the same.
            sender: Address::from(SocketAddr::from(([0; 4], 0))),
            nonce,
            user_agent: USER_AGENT.to_owned(),
            start_height: i32::try_from(start_height.0).unwrap_or(i32::MAX),
            relay: true,
            genesis: Some(params.genesis.hash),
        }
    }

    /// Whether its sender is of use on this network: first by its genesis hash, then by its version, as mainnet does it
    /// (spec: wire §3). The testnet's reference nodes neither send nor read a genesis hash; here a wrong one counts there,
    /// too, since nodes like this one do send it.
    ///
    /// # Errors
    ///
    /// [`IncompatibleVersion`].
    pub fn check(&self, params: &ChainParams) -> Result<(), IncompatibleVersion> {
        match self.genesis {
            Some(genesis) if genesis != params.genesis.hash => {
                return Err(IncompatibleVersion::WrongGenesis { genesis });
            }
            None if params.version_carries_genesis => return Err(IncompatibleVersion::NoGenesis),
            _ => {}
        }
        let minimum = params.min_peer_version;
        if self.version < minimum {
            return Err(IncompatibleVersion::Obsolete { version: self.version, minimum });
        }
        Ok(())
    }

    fn user_agent(&self) -> &[u8] {
        text::head(&self.user_agent, MAX_USER_AGENT_BYTES).as_bytes()
    }
}

/// Why a node is of no use to another, by its `version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IncompatibleVersion {
    /// It speaks a protocol version that is too old.
    #[error("protocol version {version} is below {minimum}")]
    Obsolete {
        /// The peer's.
        version: i32,
        /// The oldest that is of use.
        minimum: i32,
    },
    /// It follows another chain.
    #[error("genesis block {genesis} is not ours")]
    WrongGenesis {
        /// Its genesis block.
        genesis: BlockHash,
    },
    /// It does not say which chain it follows, where nodes must.
    #[error("no genesis block in `version`")]
    NoGenesis,
}

impl IncompatibleVersion {
    /// What the peer has done (spec: wire §3, §4), or `None` if being of no use is all.
    #[must_use]
    pub const fn misbehaviour(&self) -> Option<Misbehaviour> {
        match self {
            Self::Obsolete { .. } => Some(Misbehaviour::ObsoleteVersion),
            Self::NoGenesis => Some(Misbehaviour::Malformed),
            Self::WrongGenesis { .. } => None,
        }
    }
}

impl Encode for VersionMessage {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_i32_le(self.version);
        out.put_u64_le(self.services.0);
        out.put_i64_le(self.time);
        self.receiver.encode(out);
        self.sender.encode(out);
        out.put_u64_le(self.nonce);
        put_var_bytes(out, self.user_agent());
        out.put_i32_le(self.start_height);
        out.put_u8(self.relay.into());
        if let Some(genesis) = &self.genesis {
            genesis.encode(out);
        }
    }

    fn encoded_len(&self) -> usize {
        size_of::<i32>()
            + size_of::<u64>()
            + size_of::<i64>()
            + self.receiver.encoded_len()
            + self.sender.encoded_len()
            + size_of::<u64>()
            + var_bytes_len(self.user_agent())
            + size_of::<i32>()
            + size_of::<u8>()
            + self.genesis.as_ref().map_or(0, Encode::encoded_len)
    }
}

impl Decode for VersionMessage {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            version: reader.i32("protocol version")?,
            services: Services(reader.u64("services")?),
            time: reader.i64("time")?,
            receiver: Address::decode(reader)?,
            sender: Address::decode(reader)?,
            nonce: reader.u64("nonce")?,
            user_agent: text::from_wire(&reader.var_bytes("user agent", MAX_USER_AGENT_BYTES)?),
            start_height: reader.i32("start height")?,
            relay: reader.remaining() == 0 || reader.u8("relay flag")? != 0,
            genesis: trailing_genesis(reader)?,
        })
    }
}

/// A whole hash, or nothing: a few bytes more are what any message may have behind it (spec: wire §1.6).
fn trailing_genesis(reader: &mut Reader) -> Result<Option<BlockHash>, DecodeError> {
    let whole = reader.remaining() >= BlockHash::ZERO.encoded_len();
    whole.then(|| BlockHash::decode(reader)).transpose()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::command::Command;
    use crate::limits::Limits;

    fn version() -> VersionMessage {
        let nowhere = Address::from(SocketAddr::from(([0; 4], 0)));
        VersionMessage {
            version: 70_001,
            services: Services::NETWORK,
            time: 1_700_000_000,
            receiver: nowhere,
            sender: nowhere,
            nonce: 1,
            user_agent: USER_AGENT.to_owned(),
            start_height: 5,
            relay: false,
            genesis: None,
        }
    }

    fn decode(bytes: &[u8]) -> Result<VersionMessage, DecodeError> {
        VersionMessage::decode(&mut Reader::new(Bytes::copy_from_slice(bytes)))
    }

    fn ours(params: &ChainParams) -> VersionMessage {
        VersionMessage::new(params, SocketAddr::from(([1, 2, 3, 4], 8444)), 7, Height(12), 1_700_000_000)
    }

    #[test]
    fn ours_says_what_both_kinds_of_nodes_want() {
        for (params, version) in [(ChainParams::testnet(), 70_001), (ChainParams::mainnet(), 70_010)] {
            let ours = ours(&params);
            assert_eq!((ours.version, ours.services, ours.start_height), (version, Services::NETWORK, 12));
            assert_eq!(ours.user_agent, "Dilithion:1.0.0");
            assert_eq!(ours.check(&params), Ok(()));
            let bytes = ours.encode_to_vec();
            assert!(bytes.ends_with(params.genesis.hash.as_bytes()));
            let sizes = Command::VERSION.payload_sizes(&Limits::TESTNET).unwrap();
            assert!(sizes.contains(&bytes.len()));
        }
    }

    #[test]
    fn nodes_of_no_use_are_named() {
        let (testnet, mainnet) = (ChainParams::testnet(), ChainParams::mainnet());
        let check = |params: &ChainParams, version: i32, genesis: Option<BlockHash>| {
            VersionMessage { version, genesis, ..ours(params) }.check(params)
        };
        let obsolete = check(&testnet, 70_000, None).unwrap_err();
        assert_eq!(obsolete, IncompatibleVersion::Obsolete { version: 70_000, minimum: 70_001 });
        assert_eq!(obsolete.misbehaviour(), Some(Misbehaviour::ObsoleteVersion));
        let genesis = Some(mainnet.genesis.hash);
        assert!(matches!(check(&mainnet, 70_004, genesis), Err(IncompatibleVersion::Obsolete { .. })));
        assert_eq!(check(&mainnet, 70_004, None), Err(IncompatibleVersion::NoGenesis));
        assert_eq!(check(&testnet, 70_001, None), Ok(()), "older nodes name no genesis block");
        assert_eq!(check(&mainnet, 70_005, None), Err(IncompatibleVersion::NoGenesis));
        assert_eq!(check(&mainnet, 70_005, Some(mainnet.genesis.hash)), Ok(()));
        let stranger = check(&testnet, 70_011, Some(mainnet.genesis.hash)).unwrap_err();
        assert_eq!(stranger, IncompatibleVersion::WrongGenesis { genesis: mainnet.genesis.hash });
        assert_eq!(stranger.misbehaviour(), None);
    }

    #[test]
    fn the_end_may_be_missing_or_longer() {
        let bytes = version().encode_to_vec();
        assert_eq!(decode(&bytes), Ok(version()));
        let without_relay = VersionMessage { relay: true, ..version() };
        assert_eq!(decode(&bytes[..bytes.len() - 1]), Ok(without_relay));
        assert!(decode(&bytes[..bytes.len() - 2]).is_err());
        for (more, genesis) in [
            (31, None),
            (32, Some(BlockHash::from_bytes([7; 32]))),
            (40, Some(BlockHash::from_bytes([7; 32]))),
        ] {
            let longer = [bytes.as_slice(), &vec![7; more]].concat();
            assert_eq!(decode(&longer), Ok(VersionMessage { genesis, ..version() }));
        }
    }

    #[test]
    fn user_agents_are_bounded() {
        let long = |bytes| VersionMessage { user_agent: "x".repeat(bytes), ..version() };
        assert_eq!(decode(&long(256).encode_to_vec()), Ok(long(256)));
        assert_eq!(decode(&long(300).encode_to_vec()), Ok(long(256)), "cut by the sender");
        let mut bytes = long(256).encode_to_vec();
        // Claim one more than the limit, and have it.
        bytes.splice(80..83, [0xfd, 1, 1]);
        bytes.push(0);
        assert!(matches!(decode(&bytes), Err(DecodeError::TooLong { bytes: 257, max: 256, .. })));
    }

    #[test]
    fn an_odd_user_agent_is_replaced_not_refused() {
        let mut bytes = version().encode_to_vec();
        bytes[81] = 0xff;
        assert_eq!(decode(&bytes).unwrap().user_agent, "?ilithion:1.0.0");
    }
}
