//! A coordinator among scripted peers. Time passes only when nothing else happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use dilithion_headers::{HeadersConfig, HeadersManager, JobPriority, StoredHeader};
use dilithion_node::clock::Now;
use dilithion_node::event::Reporter;
use dilithion_node::sync::{
    Action, BlockFault, BlockToConnect, Coordinator, CoordinatorConfig, Event, IbdState, Order, StoreJob,
    SyncMode,
};
use dilithion_pow::{CompactTarget, PowStats, Work};
use dilithion_wire::{
    BlockHash, BlockHeader, ChainParams, Checkpoint, Height, InventoryKind, Message, PeerId,
};

use crate::chain::{MockChain, mock_hash};

/// Virtual time after which a run is taken to be stuck.
const PATIENCE: Duration = Duration::from_secs(600);

/// How a peer acts.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Serves its chain.
    Honest(MockChain),
    /// Serves headers and no blocks.
    WithholdBlocks(MockChain),
    /// Answers each request for headers with the first 2000 of its chain, and serves blocks.
    Repeat(MockChain),
    /// Completes the handshake and says nothing more.
    Silent(MockChain),
    /// Serves its chain and claims another height.
    ClaimHeight(MockChain, Height),
    /// Serves headers of which the one at this height does not have the id that the next one names.
    Forge(MockChain, Height),
}

impl Behaviour {
    fn chain(&self) -> &MockChain {
        match self {
            Self::Honest(chain)
            | Self::WithholdBlocks(chain)
            | Self::Silent(chain)
            | Self::Repeat(chain)
            | Self::ClaimHeight(chain, _)
            | Self::Forge(chain, _) => chain,
        }
    }

    fn claimed_height(&self) -> Height {
        match self {
            Self::ClaimHeight(_, height) => *height,
            _ => self.chain().height(),
        }
    }

    fn headers_after(&self, locator: &[BlockHash]) -> Vec<BlockHeader> {
        let locator = if matches!(self, Self::Repeat(_)) { &[] } else { locator };
        let mut headers = self.chain().headers_after(locator);
        headers.iter_mut().for_each(|header| self.forge(header));
        headers
    }

    /// The header of a block as this peer serves it.
    fn header_of(&self, id: &BlockHash) -> Option<BlockHeader> {
        let mut header = self.chain().header_of(id)?;
        self.forge(&mut header);
        Some(header)
    }

    fn forge(&self, header: &mut BlockHeader) {
        if let Self::Forge(chain, height) = self
            && *header == chain.headers[height.0 as usize]
        {
            header.nonce ^= 0x8000_0000;
        }
    }
}

/// A body to be refused as not belonging to its header, this many times.
#[derive(Clone, Copy, Debug)]
pub struct RefuseBody {
    pub height: Height,
    pub times: u32,
}

pub struct Net {
    pub coordinator: Coordinator,
    events: VecDeque<Event>,
    /// Hashes of background priority: answered when no block is on its way.
    background: VecDeque<Event>,
    /// The states in which such were asked for.
    pub proved_in_background: Vec<IbdState>,
    /// They are never answered.
    pub forgets_background: bool,
    peers: BTreeMap<PeerId, Behaviour>,
    now: Duration,
    busy_until: Duration,
    unix: u64,
    connected: Vec<BlockHash>,
    states: Vec<IbdState>,
    served: BTreeMap<PeerId, usize>,
    pub blocks_requested: usize,
    pub headers_requested: usize,
    pub punished: Vec<PeerId>,
    pub disconnected: Vec<PeerId>,
    pub forks: Vec<Height>,
    pub forgotten: Vec<BlockHash>,
    pub announced_to: Vec<PeerId>,
    pub refuse: Option<RefuseBody>,
    /// Blocks that break a rule.
    pub invalid: BTreeSet<BlockHash>,
    /// Each proof of a claim takes this long, and comes when nothing else happens.
    pub slow_hashes: Option<Duration>,
    /// Tells what happens, as the engine of a node does.
    pub reporter: Option<Reporter>,
    /// Headers that the store has.
    stored: BTreeSet<BlockHash>,
    /// Blocks that the operator refuses, as the store has it.
    pub refused: BTreeSet<BlockHash>,
    void_generation: Option<u64>,
    config: CoordinatorConfig,
    headers_config: HeadersConfig,
    genesis: BlockHeader,
}

impl Net {
    pub fn new(chain: &MockChain) -> Self {
        Self::with_config(chain, CoordinatorConfig::default())
    }

    /// Tells the coordinator what the operator wants.
    pub fn order(&mut self, order: Order) {
        self.events.push_back(Event::Ordered(order));
    }

    /// The operator refuses a block.
    pub fn revoke(&mut self, hash: BlockHash) {
        self.events.push_back(Event::Revoked { hash });
    }

    /// He takes it back.
    pub fn reinstate(&mut self, hash: BlockHash) {
        self.events.push_back(Event::Reinstated { hash });
    }

    pub fn with_stop_at(chain: &MockChain, height: Height) -> Self {
        Self::with_config(chain, CoordinatorConfig { stop_at: Some(height), ..CoordinatorConfig::default() })
    }

    /// That fetches so much.
    pub fn in_mode(chain: &MockChain, mode: SyncMode) -> Self {
        Self::with_config(chain, CoordinatorConfig { mode, ..CoordinatorConfig::default() })
    }

    /// That goes back by so many blocks at most, once it has been complete.
    pub fn with_reorg_limit(chain: &MockChain, limit: u32) -> Self {
        let config = CoordinatorConfig { max_reorg_depth: Some(limit), ..CoordinatorConfig::default() };
        Self::with_config(chain, config)
    }

    /// With a checkpoint at this height of the chain.
    pub fn with_checkpoint(chain: &MockChain, height: Height) -> Self {
        let mut chain = chain.clone();
        let hash = chain.ids[height.0 as usize];
        let params =
            ChainParams { checkpoints: vec![Checkpoint { height, hash }], ..(*chain.params).clone() };
        chain.params = params.into();
        Self::with_config(&chain, CoordinatorConfig::default())
    }

    /// That downloads no chain of less work than this one.
    pub fn with_minimum_work_of(chain: &MockChain) -> Self {
        let minimum_chain_work = chain
            .headers
            .iter()
            .fold(Work::ZERO, |work, header| work.saturating_add(CompactTarget(header.bits).work()));
        let headers =
            HeadersConfig { seed: 7, minimum_chain_work, ..HeadersConfig::from_params(&chain.params) };
        Self::with_configs(chain, CoordinatorConfig::default(), headers)
    }

    fn with_config(chain: &MockChain, config: CoordinatorConfig) -> Self {
        let headers = HeadersConfig { seed: 7, ..HeadersConfig::from_params(&chain.params) };
        Self::with_configs(chain, config, headers)
    }

    fn with_configs(chain: &MockChain, config: CoordinatorConfig, headers: HeadersConfig) -> Self {
        let genesis = (Height::GENESIS, chain.ids[0]);
        let headers_config = headers;
        let headers = HeadersManager::new(headers_config.clone(), chain.headers[0], chain.ids[0]);
        Self {
            coordinator: Coordinator::new(config.clone(), headers, genesis),
            config,
            headers_config,
            genesis: chain.headers[0],
            events: VecDeque::new(),
            background: VecDeque::new(),
            proved_in_background: Vec::new(),
            forgets_background: false,
            peers: BTreeMap::new(),
            now: Duration::ZERO,
            busy_until: Duration::ZERO,
            unix: u64::from(chain.headers.last().unwrap().time) + 1_000_000,
            connected: vec![chain.ids[0]],
            states: vec![IbdState::Idle],
            served: BTreeMap::new(),
            blocks_requested: 0,
            headers_requested: 0,
            punished: Vec::new(),
            disconnected: Vec::new(),
            forks: Vec::new(),
            forgotten: Vec::new(),
            announced_to: Vec::new(),
            refuse: None,
            invalid: BTreeSet::new(),
            slow_hashes: None,
            reporter: None,
            stored: BTreeSet::from([chain.ids[0]]),
            refused: BTreeSet::new(),
            void_generation: None,
        }
    }

    pub fn connect(&mut self, peer: PeerId, behaviour: Behaviour) {
        self.events.push_back(Event::PeerConnected { peer, start_height: behaviour.claimed_height() });
        self.peers.insert(peer, behaviour);
    }

    pub fn disconnect(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.events.push_back(Event::PeerDisconnected { peer });
    }

    /// The peer's chain is now this one, and it announces its tip by its header.
    pub fn announce(&mut self, peer: PeerId, chain: MockChain) {
        let headers = vec![*chain.headers.last().unwrap()];
        self.announced_to.clear();
        self.peers.insert(peer, Behaviour::Honest(chain));
        self.events.push_back(Event::Headers { peer, headers });
    }

    /// This node mines the tip of the chain.
    pub fn mine(&mut self, chain: &MockChain) {
        let header = *chain.headers.last().unwrap();
        let payload = Bytes::copy_from_slice(&header.to_bytes());
        self.events.push_back(Event::BlockMined { header, hash: chain.tip(), payload });
    }

    /// The node starts anew with the chain that it has connected; all connections are gone.
    pub fn restart(&mut self) {
        self.peers.clear();
        self.events.clear();
        let genesis = (self.connected[0], self.genesis);
        let mut headers = HeadersManager::new(self.headers_config.clone(), genesis.1, genesis.0);
        for hash in &self.connected[1..] {
            let header = self.coordinator.headers().header(hash).expect("a connected block has a header");
            let verified = self.coordinator.headers().is_verified(hash);
            headers.restore(StoredHeader { header, hash: *hash, verified }).unwrap();
        }
        if self.config.mode == SyncMode::Headers {
            let stored = (1..).map_while(|height| self.coordinator.headers().hash_at_height(Height(height)));
            for hash in stored.skip(self.connected.len() - 1).take_while(|hash| self.stored.contains(hash)) {
                let header = self.coordinator.headers().header(&hash).expect("a height has a header");
                headers.restore(StoredHeader { header, hash, verified: true }).unwrap();
            }
        }
        for hash in &self.refused {
            let _nothing_runs_yet = headers.revoke(hash);
        }
        self.coordinator = Coordinator::new(self.config.clone(), headers, self.tip_block());
        self.perform(Action::Hash(self.coordinator.outstanding_hashes()));
        self.states.push(IbdState::Idle);
        self.void_generation = None;
    }

    /// The virtual time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Runs until nothing happens any more but time passing.
    pub fn run(&mut self) {
        self.run_until(|_| false);
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(|net| net.now >= end);
    }

    /// Runs until `done`, or until nothing has happened for a long virtual time.
    pub fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        let mut quiet_since = self.now;
        while !done(self) && self.now - quiet_since < PATIENCE {
            if let Some(event) = self.events.pop_front().or_else(|| self.next_background()) {
                quiet_since = self.now;
                self.busy_until = self.now;
                self.deliver(event);
            } else {
                self.now += self.coordinator.next_tick(self.now).max(Duration::from_millis(1));
                self.deliver(Event::Tick);
            }
        }
    }

    fn next_background(&mut self) -> Option<Event> {
        if let Some(time) = self.slow_hashes {
            self.now += time;
        } else if self.coordinator.window().pending_len() + self.coordinator.window().in_flight_len() > 0 {
            return None;
        }
        self.background.pop_front()
    }

    fn deliver(&mut self, event: Event) {
        let now = Now { mono: self.now, unix: self.unix };
        if let Some(reporter) = &mut self.reporter {
            reporter.on_event(&event);
        }
        let actions = self.coordinator.handle(event, now);
        if let Some(reporter) = &mut self.reporter {
            reporter.on_actions(&actions, &self.coordinator, now.mono, PowStats::default);
        }
        for action in actions {
            self.perform(action);
        }
        self.check_invariants();
    }

    fn check_invariants(&self) {
        let window = self.coordinator.window();
        for peer in self.peers.keys() {
            assert!(window.in_flight_of(*peer) <= 16, "more than 16 blocks in flight from {peer}");
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Send { peer, message } => self.answer(peer, message),
            Action::Announce { peer, headers, .. } => self.answer(peer, Message::Headers(headers)),
            Action::Hash(jobs) => {
                for job in jobs {
                    if job.priority == JobPriority::Background {
                        self.proved_in_background.push(self.coordinator.state());
                        if self.forgets_background {
                            continue;
                        }
                    }
                    let answer = Event::HashComputed { token: job.token, hash: mock_hash(&job.header) };
                    let background = match self.slow_hashes {
                        Some(_) => job.priority != JobPriority::Tip,
                        None => job.priority == JobPriority::Background,
                    };
                    if background { &mut self.background } else { &mut self.events }.push_back(answer);
                }
            }
            Action::Store(StoreJob::Connect(block)) => self.connect_block(&block),
            Action::Store(StoreJob::Revoke(hash)) => {
                self.refused.insert(hash);
                self.events.push_back(Event::VerdictStored);
            }
            Action::Store(StoreJob::Reinstate(hashes)) => {
                self.refused.retain(|hash| !hashes.contains(hash));
                self.events.push_back(Event::VerdictStored);
            }
            Action::Store(StoreJob::DisconnectTo(height)) => {
                let refused = self.coordinator.headers().revoked_in_line_with(&self.tip_block().1);
                assert!(refused.iter().all(|hash| self.refused.contains(hash)), "obeyed before it is stored");
                let gone = self.connected.split_off(height.0 as usize + 1);
                let blocks = (height.0 + 1..).map(Height).zip(gone).collect();
                self.events.push_back(Event::Disconnected { tip: self.tip_block(), blocks });
            }
            Action::Misbehaved { peer, .. } => {
                self.punished.push(peer);
                self.disconnect(peer);
            }
            Action::Disconnect { peer, .. } => {
                self.disconnected.push(peer);
                self.disconnect(peer);
            }
            Action::StateChanged { from, to } => {
                assert!(from.may_become(to), "{from} may not become {to}");
                assert_eq!(self.states.last(), Some(&from));
                self.states.push(to);
            }
            Action::ForkDetected { height } => self.forks.push(height),
            Action::Store(StoreJob::ForgetHeader(hash)) => self.forgotten.push(hash),
            Action::Store(StoreJob::StoreHeaders(headers)) => {
                for header in headers {
                    assert!(header.verified);
                    assert!(self.stored.contains(&header.header.prev_hash), "stored before its parent");
                    self.stored.insert(header.hash);
                }
            }
            Action::CancelHashes { .. } => {}
        }
    }

    fn answer(&mut self, peer: PeerId, message: Message) {
        let Some(behaviour) = self.peers.get(&peer) else { return };
        match message {
            _ if matches!(behaviour, Behaviour::Silent(_)) => {}
            Message::GetHeaders(request) => {
                self.headers_requested += 1;
                let headers = behaviour.headers_after(&request.locator);
                self.events.push_back(Event::Headers { peer, headers });
            }
            Message::GetData(items) => {
                assert!(items.len() <= 16);
                self.blocks_requested += items.len();
                for item in items {
                    assert_eq!(item.kind, InventoryKind::Block);
                    let header = behaviour.header_of(&item.hash.into()).expect("asked for what it has");
                    if !matches!(behaviour, Behaviour::WithholdBlocks(_)) {
                        *self.served.entry(peer).or_default() += 1;
                        let payload = Bytes::copy_from_slice(&header.to_bytes());
                        self.events.push_back(Event::Block { peer, header, payload });
                    }
                }
            }
            Message::Headers(_) => self.announced_to.push(peer),
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Plays the validator.
    fn connect_block(&mut self, block: &BlockToConnect) {
        if self.void_generation.is_some_and(|void| block.generation <= void) {
            return;
        }
        let BlockToConnect { generation, height, hash, peer, .. } = *block;
        if let Some((reason, fault)) = self.fault_of(height, &hash) {
            self.void_generation = Some(generation);
            let reason = reason.to_owned();
            self.events.push_back(Event::BlockRejected { generation, height, hash, peer, reason, fault });
            return;
        }
        assert_eq!(height.0 as usize, self.connected.len(), "blocks come in order");
        self.connected.push(hash);
        self.stored.insert(hash);
        self.events.push_back(Event::BlocksConnected { blocks: vec![(height, hash)] });
    }

    /// What the store has against a block, if anything.
    fn fault_of(&mut self, height: Height, hash: &BlockHash) -> Option<(&'static str, BlockFault)> {
        let refuse = self.refuse.as_mut().filter(|refuse| refuse.height == height && refuse.times > 0);
        if let Some(refuse) = refuse {
            refuse.times -= 1;
            return Some(("bad-merkle", BlockFault::Body));
        }
        self.invalid.contains(hash).then_some(("bad-txns", BlockFault::Rule))
    }

    fn tip_block(&self) -> (Height, BlockHash) {
        (Height(u32::try_from(self.connected.len() - 1).unwrap()), *self.connected.last().unwrap())
    }

    pub fn tip(&self) -> Height {
        self.tip_block().0
    }

    /// When something last happened.
    pub fn busy_until(&self) -> Duration {
        self.busy_until
    }

    /// The states so far, the first included.
    pub fn path(&self) -> &[IbdState] {
        &self.states
    }

    pub fn blocks_from(&self, peer: PeerId) -> usize {
        self.served.get(&peer).copied().unwrap_or(0)
    }

    pub fn assert_synced_to(&self, chain: &MockChain) {
        assert_eq!(
            self.tip_block(),
            (chain.height(), chain.tip()),
            "{:?}",
            self.coordinator.status(self.now)
        );
        assert_eq!(self.connected, chain.ids);
        assert!(self.coordinator.window().is_empty(), "{}", self.coordinator.window().stats());
    }
}
