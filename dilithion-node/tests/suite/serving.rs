//! A node that syncs from one scripted peer over TCP: what it asks for, how often, and how much at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dilithion_blockwindow::MAX_BLOCKS_IN_FLIGHT_PER_PEER;
use dilithion_wire::{BlockHash, BlockHeader, InventoryKind, MAX_HEADERS_PER_MESSAGE, Message};

use crate::miner::{Mined, Miner};
use crate::wire_peer::{RawPeer, listening, version};

/// What a peer was asked for while a node synced from it.
#[derive(Debug, Default)]
struct Asked {
    getheaders: usize,
    getdata: usize,
    blocks: usize,
}

/// A chain, to be served.
struct Server {
    headers: Vec<BlockHeader>,
    ids: Vec<BlockHash>,
    positions: BTreeMap<BlockHash, usize>,
    chain: Mined,
}

impl Server {
    fn new(chain: Mined) -> Self {
        let headers: Vec<_> = chain.blocks.iter().map(|block| block.header).collect();
        let ids: Vec<_> = headers[1..].iter().map(|header| header.prev_hash).chain([chain.tip]).collect();
        let positions = ids.iter().copied().zip(0..).collect();
        Self { headers, ids, positions, chain }
    }

    fn height(&self) -> i32 {
        i32::try_from(self.ids.len() - 1).unwrap()
    }

    fn after(&self, locator: &[BlockHash]) -> Vec<BlockHeader> {
        let known = locator.iter().find_map(|id| self.positions.get(id)).map_or(1, |position| position + 1);
        self.headers[known..].iter().take(MAX_HEADERS_PER_MESSAGE).copied().collect()
    }

    /// Serves a node until it has asked for the last block, with so much delay before each answer to `getdata`.
    async fn serve(&self, peer: &mut RawPeer, delay: Duration) -> Asked {
        let (mut asked, mut requested) = (Asked::default(), BTreeSet::new());
        while requested.len() < self.ids.len() - 1 {
            match peer.receive_message().await.expect("the node stays") {
                Message::Ping(nonce) => peer.send(&Message::Pong(nonce)).await,
                Message::GetHeaders(request) => {
                    asked.getheaders += 1;
                    peer.send(&Message::Headers(self.after(&request.locator))).await;
                }
                Message::GetData(items) => {
                    asked.getdata += 1;
                    asked.blocks += items.len();
                    assert!(items.len() <= MAX_BLOCKS_IN_FLIGHT_PER_PEER, "more than fit into the window");
                    tokio::time::sleep(delay).await;
                    for item in items {
                        assert_eq!(item.kind, InventoryKind::Block);
                        let hash = BlockHash::from(item.hash);
                        requested.insert(hash);
                        let block = self.chain.blocks[self.positions[&hash]].clone();
                        peer.send(&Message::Block(block)).await;
                    }
                }
                _ => {}
            }
        }
        asked
    }
}

async fn sync(length: usize, delay: Duration) -> (Asked, u32) {
    let (miner, dir) = (Miner::fast(), tempfile::tempdir().unwrap());
    let node = listening(&miner, dir.path(), &miner.genesis()).await;
    let server = Server::new(miner.extend(&miner.genesis(), length, 0));
    let mut peer = RawPeer::connect(&node, &miner).await;
    peer.send(&version(server.height())).await;
    peer.send(&Message::Verack).await;
    let asked = server.serve(&mut peer, delay).await;
    node.status().wait_for(|status| status.chain_hash == server.chain.tip).await.unwrap();
    let score = node.peers()[0].score;
    node.stop().await;
    (asked, score)
}

/// Full batches are followed up, and no more often than there are batches; blocks are asked for once, many in a message;
/// whoever answers is not blamed.
#[tokio::test(flavor = "multi_thread")]
async fn bugs_146_147_148_185_chains_around_full_batches_are_fetched_once() {
    let at_once = |length| sync(length, Duration::ZERO);
    let (exact, more, two) = tokio::join!(at_once(2000), at_once(2001), at_once(4000));
    for ((asked, score), length, batches) in [(exact, 2000_usize, 2), (more, 2001, 2), (two, 4000, 3)] {
        assert_eq!((asked.blocks, score), (length, 0), "{asked:?}");
        assert!(asked.getheaders <= batches + 1, "{asked:?}");
        assert!(asked.getdata <= length.div_ceil(MAX_BLOCKS_IN_FLIGHT_PER_PEER / 2) + 1, "{asked:?}");
    }
}

/// A peer that answers late is waited for: nothing is asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn bug_155_a_distant_peer_is_not_taken_for_a_dead_one() {
    let (asked, score) = sync(40, Duration::from_millis(700)).await;
    assert_eq!((asked.blocks, score), (40, 0), "{asked:?}");
}
