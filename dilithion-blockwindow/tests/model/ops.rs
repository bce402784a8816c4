//! What can happen to a window.

use dilithion_blockwindow::Source;
use quickcheck::{Arbitrary, Gen};

pub(crate) const HEIGHTS: u8 = 20;
pub(crate) const PEERS: u8 = 4;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Add(u8),
    Request {
        peers: Vec<u8>,
        limit: usize,
    },
    RequestFrom(Vec<Given>),
    Second(Vec<Given>),
    Receive {
        height: u8,
        from: u8,
    },
    /// The delivery of the oldest request to a peer, or of the latest.
    Answer {
        from: u8,
        latest: bool,
    },
    Connect(u8),
    Return {
        height: u8,
        avoid: Option<u8>,
    },
    Cancel {
        height: u8,
        peer: u8,
    },
    ReturnAll(u8),
    Sleep(u8),
    Timeouts,
    Pause,
    Resume,
    Disconnect(u8),
    Remove(u8),
    Truncate(u8),
    Reset(u8),
}

/// A [`Source`]: peer, best height, readiness.
pub(crate) type Given = (u8, u8, bool);

pub(crate) fn sources(given: &[Given]) -> Vec<Source<u8, u8>> {
    given.iter().map(|&(peer, best, ready)| Source { peer, best, ready }).collect()
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut below = |n: u8| u8::arbitrary(g) % n;
        let (dice, height, peer) = (below(200), below(HEIGHTS), below(PEERS));
        match dice {
            0..=49 => Self::Add(height),
            50..=69 => {
                let limit = if below(3) == 0 { usize::from(below(5)) } else { usize::MAX };
                let count = below(PEERS + 1);
                Self::Request { peers: (0..count).map(|_| below(PEERS)).collect(), limit }
            }
            70..=93 => {
                let given = |_| (below(PEERS), HEIGHTS - below(HEIGHTS / 2), below(4) > 0);
                let given = (0..PEERS).map(given).collect();
                if dice < 80 { Self::RequestFrom(given) } else { Self::Second(given) }
            }
            94..=105 => Self::Receive { height, from: peer },
            106..=125 => Self::Answer { from: peer, latest: below(4) == 0 },
            126..=133 => Self::Connect(height),
            134..=143 => Self::Return { height, avoid: (below(3) > 0).then_some(peer) },
            144..=147 => Self::Cancel { height, peer },
            148..=149 => Self::ReturnAll(peer),
            150..=169 => Self::Sleep(below(10)),
            170..=181 => Self::Timeouts,
            182..=185 => Self::Pause,
            186..=189 => Self::Resume,
            190..=193 => Self::Disconnect(peer),
            194..=195 => Self::Remove(height),
            196..=197 => Self::Truncate(height),
            _ => Self::Reset(height),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        match self.clone() {
            Self::Request { peers, limit } => {
                Box::new(peers.shrink().map(move |peers| Self::Request { peers, limit }))
            }
            Self::RequestFrom(given) => Box::new(given.shrink().map(Self::RequestFrom)),
            Self::Second(given) => Box::new(given.shrink().map(Self::Second)),
            Self::Receive { height, from } => {
                Box::new((height, from).shrink().map(|(height, from)| Self::Receive { height, from }))
            }
            Self::Answer { from, latest } => {
                Box::new((from, latest).shrink().map(|(from, latest)| Self::Answer { from, latest }))
            }
            Self::Return { height, avoid } => {
                Box::new((height, avoid).shrink().map(|(height, avoid)| Self::Return { height, avoid }))
            }
            Self::Cancel { height, peer } => {
                Box::new((height, peer).shrink().map(|(height, peer)| Self::Cancel { height, peer }))
            }
            Self::Add(height) => Box::new(height.shrink().map(Self::Add)),
            Self::Connect(height) => Box::new(height.shrink().map(Self::Connect)),
            Self::Sleep(seconds) => Box::new(seconds.shrink().map(Self::Sleep)),
            Self::Disconnect(peer) => Box::new(peer.shrink().map(Self::Disconnect)),
            Self::ReturnAll(peer) => Box::new(peer.shrink().map(Self::ReturnAll)),
            Self::Remove(height) => Box::new(height.shrink().map(Self::Remove)),
            Self::Truncate(height) => Box::new(height.shrink().map(Self::Truncate)),
            Self::Reset(height) => Box::new(height.shrink().map(Self::Reset)),
            Self::Timeouts | Self::Pause | Self::Resume => Box::new(std::iter::empty()),
        }
    }
}
