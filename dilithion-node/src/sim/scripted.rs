//! Peers that follow a script: honest ones like the reference node, and all kinds of others.

use std::time::Duration;

use dilithion_wire::{
    BlockHash, BlockHeader, GetHeaders, Height, Inventory, MAX_HEADERS_PER_MESSAGE, Message,
};

use super::blocks::{BlockIndex, Blocks, Chain, Recipe, TRIVIAL_BITS};
use super::link::Packet;

/// How a peer answers `getheaders`.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderManners {
    /// As it should.
    Serve,
    /// Never.
    Silent,
    /// With nothing, whatever it is asked.
    Empty,
    /// With the first headers of its chain, whatever it is asked.
    Repeat,
    /// As it should, but each answer takes this long.
    Late(Duration),
    /// The header at this height does not have the id that the next one names.
    FalseClaim(u32),
    /// With headers of hardly any work, up to this height.
    Worthless(u32),
}

/// How a peer answers `getdata`.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockManners {
    /// As it should.
    Serve,
    /// Never.
    Withhold,
    /// This many times, then never again.
    StallAfter(u32),
    /// Each block takes this long.
    Late(Duration),
    /// The last block it was asked for first.
    Reversed,
    /// With bodies that do not belong to the headers.
    WrongBodies,
    /// With the block before the one it was asked for.
    OtherBlocks,
    /// With each block this many times.
    Copies(u32),
    /// All but every this manieth block.
    Skip(u32),
}

/// How a peer tells of new blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// By `headers`.
    Headers,
    /// By `inv`.
    Inv,
}

/// What a peer says without being asked, again and again.
#[derive(Clone, Debug, PartialEq)]
pub enum Chatter {
    /// The last headers of its chain.
    SameHeaders,
    /// Blocks that nobody asked for, from its tip downwards.
    Blocks,
    /// Headers whose parents nobody knows.
    Orphans,
    /// Ids of blocks that do not exist.
    Inventory,
    /// Requests for headers.
    GetHeaders,
}

/// How a scripted peer behaves.
#[derive(Clone, Debug)]
pub struct Manners {
    /// The height in its `version`, if it is not that of its chain.
    pub claims_height: Option<u32>,
    /// Headers.
    pub headers: HeaderManners,
    /// Blocks.
    pub blocks: BlockManners,
    /// Whether it answers pings.
    pub pongs: bool,
    /// How it tells of new blocks.
    pub announces: Announcement,
    /// What it says unasked, and how often.
    pub chatter: Option<(Chatter, Duration)>,
}

impl Manners {
    /// Those of a reference node.
    pub const HONEST: Self = Self {
        claims_height: None,
        headers: HeaderManners::Serve,
        blocks: BlockManners::Serve,
        pongs: true,
        announces: Announcement::Headers,
        chatter: None,
    };

    /// Whether nothing that it does may be held against it.
    #[must_use]
    pub fn are_honest(&self) -> bool {
        let Self { claims_height, headers, blocks, pongs, announces: _, chatter } = self;
        claims_height.is_none()
            && matches!(headers, HeaderManners::Serve | HeaderManners::Late(_))
            && matches!(blocks, BlockManners::Serve | BlockManners::Late(_) | BlockManners::Reversed)
            && *pongs
            && chatter.is_none()
    }
}

/// A peer that follows a script.
#[derive(Debug)]
pub(super) struct ScriptedPeer {
    /// What it serves.
    pub(super) chain: Chain,
    /// How.
    pub(super) manners: Manners,
    /// Blocks served.
    served: u32,
    /// What it has said unasked so far.
    said: u32,
    /// The branch that it makes up as it goes.
    made_up: Option<Chain>,
}

/// Something that a peer sends, and after how long.
pub(super) type Reply = (Duration, Packet);

impl ScriptedPeer {
    pub(super) fn new(chain: Chain, manners: Manners) -> Self {
        Self { chain, manners, served: 0, said: 0, made_up: None }
    }

    /// The height that it states.
    pub(super) fn claimed_height(&self) -> u32 {
        self.manners.claims_height.unwrap_or(self.chain.height().0)
    }

    /// What it answers.
    pub(super) fn reply(&mut self, message: &Message, blocks: &mut Blocks) -> Vec<Reply> {
        match message {
            Message::Ping(nonce) if self.manners.pongs => {
                vec![(Duration::ZERO, Message::Pong(*nonce).into())]
            }
            Message::GetHeaders(request) => self.serve_headers(request, blocks),
            Message::GetData(items) => self.serve_blocks(items, blocks),
            _ => Vec::new(),
        }
    }

    fn serve_headers(&mut self, request: &GetHeaders, blocks: &mut Blocks) -> Vec<Reply> {
        let mut delay = Duration::ZERO;
        let headers = match self.manners.headers {
            HeaderManners::Silent => return Vec::new(),
            HeaderManners::Empty => Vec::new(),
            HeaderManners::Repeat => headers_after(&self.chain, &[], blocks),
            HeaderManners::Serve => headers_after(&self.chain, &request.locator, blocks),
            HeaderManners::Late(by) => {
                delay = by;
                headers_after(&self.chain, &request.locator, blocks)
            }
            HeaderManners::FalseClaim(height) => {
                let mut headers = headers_after(&self.chain, &request.locator, blocks);
                headers.iter_mut().for_each(|header| self.forge(header, height, blocks));
                headers
            }
            HeaderManners::Worthless(up_to) => self.make_up(&request.locator, up_to, blocks),
        };
        vec![(delay, Message::Headers(headers).into())]
    }

    /// Headers of the least work that a header can have, from where its own chain ends.
    fn make_up(&mut self, locator: &[BlockHash], up_to: u32, blocks: &mut Blocks) -> Vec<BlockHeader> {
        let made_up = self.made_up.clone().unwrap_or_else(|| self.chain.clone());
        let known = locator.iter().find_map(|hash| position(&made_up, hash, blocks)).unwrap_or(0);
        let wanted = u32::try_from(known + MAX_HEADERS_PER_MESSAGE).unwrap_or(u32::MAX).min(up_to);
        let missing = wanted.saturating_sub(made_up.height().0);
        let recipe = Recipe { bits: TRIVIAL_BITS, ..Recipe::default() };
        let longer = blocks.extend(&made_up, missing, u64::MAX, recipe);
        let headers = headers_after(&longer, locator, blocks);
        self.made_up = Some(longer);
        headers
    }

    /// Changes a header so that it does not have the id that its child names.
    fn forge(&self, header: &mut BlockHeader, height: u32, blocks: &Blocks) {
        let original = self.chain.at(Height(height)).map(|index| blocks.get(index).header);
        if original == Some(*header) {
            header.nonce ^= 0x8000_0000;
        }
    }

    fn serve_blocks(&mut self, items: &[Inventory], blocks: &Blocks) -> Vec<Reply> {
        let mut replies = Vec::new();
        for item in items {
            let Some(height) = position(&self.chain, &item.hash.into(), blocks) else { continue };
            replies.extend(self.serve_block(height, blocks));
        }
        if self.manners.blocks == BlockManners::Reversed {
            replies.reverse();
        }
        replies
    }

    fn serve_block(&mut self, height: usize, blocks: &Blocks) -> Vec<Reply> {
        let height = Height(u32::try_from(height).unwrap_or(u32::MAX));
        let at = |height| self.chain.at(height).map(|index| block_packet(index, blocks));
        let Some(mut block) = at(height) else { return Vec::new() };
        self.served += 1;
        if let (HeaderManners::FalseClaim(forged), Packet::Block(block)) = (&self.manners.headers, &mut block)
        {
            self.forge(&mut block.0, *forged, blocks);
        }
        let (delay, block, copies) = match &self.manners.blocks {
            BlockManners::Serve | BlockManners::Reversed => (Duration::ZERO, Some(block), 1),
            BlockManners::Withhold => return Vec::new(),
            BlockManners::StallAfter(count) => (Duration::ZERO, (self.served <= *count).then_some(block), 1),
            BlockManners::Late(by) => (*by, Some(block), 1),
            BlockManners::Copies(count) => (Duration::ZERO, Some(block), *count),
            BlockManners::Skip(every) => {
                (Duration::ZERO, (!self.served.is_multiple_of(*every)).then_some(block), 1)
            }
            BlockManners::OtherBlocks => (Duration::ZERO, height.prev().and_then(at), 1),
            BlockManners::WrongBodies => {
                let body = at(height.prev().unwrap_or_default());
                (Duration::ZERO, body.and_then(|body| with_body_of(&block, &body)), 1)
            }
        };
        block.into_iter().flat_map(|block| vec![(delay, block); copies as usize]).collect()
    }

    /// What it says unasked this time.
    pub(super) fn chat(&mut self, blocks: &Blocks) -> Option<(Duration, Packet)> {
        let (chatter, interval) = self.manners.chatter.clone()?;
        self.said += 1;
        let packet = match chatter {
            Chatter::SameHeaders => {
                let full = u32::try_from(MAX_HEADERS_PER_MESSAGE).unwrap_or(u32::MAX);
                let first = self.chain.height().0.saturating_sub(full);
                let headers = (first + 1..=self.chain.height().0)
                    .filter_map(|height| self.chain.at(Height(height)))
                    .map(|index| blocks.get(index).header)
                    .collect();
                Message::Headers(headers).into()
            }
            Chatter::Blocks => {
                let below = self.said % self.chain.height().0.max(1);
                block_packet(self.chain.at(Height(self.chain.height().0 - below))?, blocks)
            }
            Chatter::Orphans => {
                let parent = BlockHash::from_bytes([u8::try_from(self.said % 251).unwrap_or(0) + 1; 32]);
                let header = BlockHeader { prev_hash: parent, ..blocks.tip(&self.chain).header };
                Message::Headers(vec![header]).into()
            }
            Chatter::Inventory => {
                let hash = BlockHash::from_bytes([u8::try_from(self.said % 251).unwrap_or(0) + 2; 32]);
                Message::Inv(vec![Inventory::block(hash)]).into()
            }
            Chatter::GetHeaders => {
                let locator = vec![blocks.params().genesis.hash];
                Message::GetHeaders(GetHeaders { locator, stop: BlockHash::ZERO }).into()
            }
        };
        Some((interval, packet))
    }

    /// How it tells of its new tip.
    pub(super) fn announcement(&self, blocks: &Blocks) -> Packet {
        let tip = blocks.tip(&self.chain);
        match self.manners.announces {
            Announcement::Headers => Message::Headers(vec![tip.header]).into(),
            Announcement::Inv => Message::Inv(vec![Inventory::block(tip.hash)]).into(),
        }
    }
}

/// Where on a chain a block is.
fn position(chain: &Chain, hash: &BlockHash, blocks: &Blocks) -> Option<usize> {
    let height = blocks.find(hash)?.height;
    let here = chain.at(height).is_some_and(|index| blocks.get(index).hash == *hash);
    here.then_some(height.0 as usize)
}

/// What a node with this chain answers to a locator; it starts after genesis if it knows none of it.
fn headers_after(chain: &Chain, locator: &[BlockHash], blocks: &Blocks) -> Vec<BlockHeader> {
    let known = locator.iter().find_map(|hash| position(chain, hash, blocks)).unwrap_or(0);
    (known + 1..)
        .take(MAX_HEADERS_PER_MESSAGE)
        .map_while(|height| chain.at(Height(u32::try_from(height).ok()?)))
        .map(|index| blocks.get(index).header)
        .collect()
}

fn block_packet(index: BlockIndex, blocks: &Blocks) -> Packet {
    let block = blocks.get(index);
    Packet::block(block.header, block.payload.clone())
}

/// A block with its own header and another's transactions.
fn with_body_of(block: &Packet, body: &Packet) -> Option<Packet> {
    let (Packet::Block(block), Packet::Block(body)) = (block, body) else { return None };
    let transactions = body.1.get(BlockHeader::SIZE..)?;
    Some(Packet::block(block.0, [&block.0.to_bytes(), transactions].concat().into()))
}
