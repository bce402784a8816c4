//! What is done with each message of a peer.

use dilithion_wire::{
    BlockHeader, Command, Height, Inventory, InventoryKind, Message, Misbehaviour, RawMessage, TimedAddress,
    VersionMessage,
};

use super::connection::{Connection, Ended};
use super::handshake::{HandshakeState, Step};
use super::peer::{Direction, Purpose};
use super::rates::Verdict;
use super::router::{Lane, lane_of};
use super::server::Request;
use crate::relay::{MAX_OFFERS_PER_PEER, RelayEvent};
use crate::sync::{Event, SyncMode};

/// What is listened to before the handshake is complete; the rest is ignored. Pings are answered at any time, as the C++
/// nodes do (spec: wire §2).
const EARLY_COMMANDS: [Command; 4] = [Command::VERSION, Command::VERACK, Command::PING, Command::PONG];
/// The longest form of the number before a block's transactions (spec: wire §1.3).
const MAX_SIZE_PREFIX: usize = 9;

impl Connection {
    /// Routes one message: control is answered here and now, headers and blocks go on to their stages.
    pub(super) async fn dispatch(&mut self, raw: RawMessage) -> Result<(), Ended> {
        let now = self.shared.clock.now().mono;
        self.peer.note_received(&raw, now);
        if self.handshake.state() != HandshakeState::Complete && !EARLY_COMMANDS.contains(&raw.command) {
            return Ok(());
        }
        let answers = self.peer.was_asked_for(&raw.command);
        let verdict = self.allowance.lock().rates.on_message(&raw.command, raw.payload.len(), answers, now);
        match verdict {
            Verdict::Pass => {}
            Verdict::Wait(time) => tokio::time::sleep(time).await,
            Verdict::Score(misbehaviour) => self.punish(misbehaviour)?,
            Verdict::Drop(misbehaviour) => {
                tracing::debug!("[P2P] Dropped '{}' from peer {}", raw.command.as_str(), self.peer.id);
                return misbehaviour.map_or(Ok(()), |misbehaviour| self.punish(misbehaviour));
            }
        }
        match lane_of(&raw.command) {
            Lane::Control => self.on_control(&raw).await,
            Lane::Headers => {
                let headers = match self.decode(&raw)? {
                    Some(Message::Headers(headers)) => headers,
                    // Headers with delay proofs are those of another chain.
                    Some(_) => return self.punish(Misbehaviour::InvalidHeaders),
                    None => return Ok(()),
                };
                self.forward(Event::Headers { peer: self.peer.id, headers }, raw.payload.len()).await
            }
            Lane::Blocks => {
                if let Err(error) = raw.check_size(&self.shared.params.limits) {
                    return self.punish(error.misbehaviour());
                }
                // Only the header is read here; the body is decoded where it is validated.
                let Some(header) = raw.payload.first_chunk::<{ BlockHeader::SIZE }>() else { return Ok(()) };
                let header = BlockHeader::from_bytes(header);
                let bytes = raw.payload.len();
                if bytes > BlockHeader::SIZE + MAX_SIZE_PREFIX + self.shared.params.limits.max_blob_bytes {
                    return self.punish(Misbehaviour::OversizedBlock);
                }
                self.forward(Event::Block { peer: self.peer.id, header, payload: raw.payload }, bytes).await
            }
        }
    }

    async fn on_control(&mut self, raw: &RawMessage) -> Result<(), Ended> {
        let peer = self.peer.id;
        let Some(message) = self.decode(raw)? else { return Ok(()) };
        match message {
            Message::Version(version) => {
                self.peer.note_version(&version);
                self.on_version(&version)?;
            }
            Message::Verack => {
                if let Some(step) = self.handshake.on_verack() {
                    self.take_step(step)?;
                }
            }
            Message::Ping(nonce) => {
                chatter!(self.peer, "[P2P] Received ping from peer {peer}");
                self.peer.send(&Message::Pong(nonce))?;
            }
            Message::Pong(nonce) => self.on_pong(nonce),
            Message::GetHeaders(request) => {
                let event = Event::GetHeaders { peer, locator: request.locator, stop: request.stop };
                self.forward(event, raw.payload.len()).await?;
            }
            Message::Inv(items) => {
                self.punish_unknown_kinds(&items)?;
                if !self.allowance.lock().rates.on_inv_items(items.len(), self.shared.clock.now().mono) {
                    return self.punish(Misbehaviour::InvRate);
                }
                self.on_inventory(&items, raw.payload.len()).await?;
            }
            Message::Addr(addresses) => self.on_addresses(&addresses),
            Message::GetAddr => self.on_get_addr()?,
            // Waiting here stops reading from a peer that asks faster than it reads our answers.
            Message::GetData(items) => {
                self.punish_unknown_kinds(&items)?;
                self.request(Request::Items(items)).await?;
            }
            Message::Mempool => self.request(Request::Mempool).await?,
            Message::Tx(transaction) => {
                let txid = transaction.txid();
                // What it came in may be much longer, and is not to be kept with it.
                let transaction = transaction.detached();
                let event = RelayEvent::Received { peer, txid, transaction };
                self.forward(event, raw.payload.len()).await?;
            }
            Message::SendCompact(wanted) => self.peer.note_compact(wanted),
            Message::GetBlockTxn(request) => self.request(Request::BlockTransactions(request)).await?,
            Message::CompactBlock(compact) => self.on_compact_block(compact, raw.payload.len()).await?,
            // Nothing else asks anything of us.
            _ => {}
        }
        Ok(())
    }

    /// What a peer has: blocks for the coordinator, transactions for the relay.
    async fn on_inventory(&self, items: &[Inventory], bytes: usize) -> Result<(), Ended> {
        let peer = self.peer.id;
        let of_kind = |kind| items.iter().filter(move |item| item.kind == kind).map(|item| item.hash);
        let blocks: Vec<_> = of_kind(InventoryKind::Block).map(Into::into).collect();
        // The relay remembers no more of one peer.
        let txids: Vec<_> = of_kind(InventoryKind::Tx).take(MAX_OFFERS_PER_PEER).map(Into::into).collect();
        if !blocks.is_empty() {
            self.forward(Event::Announced { peer, blocks }, bytes).await?;
        }
        if !txids.is_empty() {
            self.forward(RelayEvent::Announced { peer, txids }, bytes).await?;
        }
        Ok(())
    }

    async fn request(&self, request: Request) -> Result<(), Ended> {
        self.requests.send(request).await.map_err(|_| Ended::Local)
    }

    /// The book takes in so many addresses of one peer, and no more.
    fn on_addresses(&mut self, addresses: &[TimedAddress]) {
        let now = self.shared.clock.now();
        let taken = self.allowance.lock().rates.on_addresses(addresses.len(), now.mono);
        let (told, source) = (addresses.get(..taken).unwrap_or(addresses), self.peer.host());
        let added = self.shared.book.add(told, source, now.unix);
        tracing::debug!("[P2P] Peer {} told {} addresses, {added} are new", self.peer.id, addresses.len());
    }

    /// One `addr` for a connection: C++ nodes mind a second one, and the book is not to be read as a whole.
    fn on_get_addr(&mut self) -> Result<(), Ended> {
        if std::mem::replace(&mut self.addresses_told, true) {
            return Ok(());
        }
        match self.shared.book.sample(self.shared.clock.now().unix) {
            told if told.is_empty() => Ok(()),
            told => Ok(self.peer.send(&Message::Addr(told))?),
        }
    }

    fn on_version(&mut self, version: &VersionMessage) -> Result<(), Ended> {
        let peer = self.peer.id;
        let own_nonce = self.shared.peers.is_own_nonce(version.nonce);
        chatter!(self.peer, "[P2P] Received version from peer {peer}");
        chatter!(self.peer, "  Protocol: {}", version.version);
        chatter!(self.peer, "  User Agent: {}", version.user_agent.escape_debug());
        chatter!(self.peer, "  Start Height: {}", version.start_height);
        let steps = self.handshake.on_version(version, own_nonce)?;
        // Negative heights are read as "nothing".
        self.wants_transactions = version.relay;
        self.start_height = Height(u32::try_from(version.start_height).unwrap_or(0));
        for step in steps {
            self.take_step(step)?;
        }
        Ok(())
    }

    pub(super) fn take_step(&mut self, step: Step) -> Result<(), Ended> {
        let peer = self.peer.id;
        match step {
            Step::SendVersion => {
                let now = self.shared.clock.now();
                let height = self.shared.tip_height();
                let mut version = VersionMessage::new(
                    &self.shared.params,
                    self.peer.address,
                    self.peer.nonce,
                    height,
                    now.unix,
                );
                version.services = self.shared.services();
                // Transactions cannot be checked without blocks.
                version.relay = self.shared.mode == SyncMode::Full;
                if let Err(error) = self.peer.send(&Message::Version(version)) {
                    tracing::warn!("[P2P] Failed to send version to peer {peer}");
                    return Err(error.into());
                }
                tracing::info!("[P2P] Handshake initiated with peer {peer}");
            }
            Step::SendVerack => self.peer.send(&Message::Verack)?,
            Step::Complete => {
                tracing::info!("[P2P] Handshake complete with peer {peer}");
                self.peer.note_handshake_complete();
                if self.peer.direction == Direction::Outbound {
                    self.shared.book.good(self.peer.address, self.shared.clock.now().unix);
                    if self.peer.purpose == Purpose::Feeler {
                        return Err(Ended::Felt);
                    }
                    self.peer.send(&Message::GetAddr)?;
                }
                // New blocks by their headers, please: that saves asking for them (spec: wire §5.5).
                self.peer.send(&Message::SendHeaders)?;
                self.told = true;
                self.tell(Event::PeerConnected { peer, start_height: self.start_height });
                let (wants, inbound) = (self.wants_transactions, self.peer.direction == Direction::Inbound);
                self.tell(RelayEvent::PeerConnected { peer, wants, inbound });
                // Now rather than in half a minute: near peers keep their slot.
                self.send_ping()?;
            }
        }
        Ok(())
    }

    /// Decodes a message; a malformed one costs the peer its penalty and is dropped.
    fn decode(&self, raw: &RawMessage) -> Result<Option<Message>, Ended> {
        match raw.decode(&self.shared.params.limits) {
            Ok(message) => Ok(Some(message)),
            Err(error) => {
                tracing::warn!("[P2P] Bad '{}' from peer {}: {error}", raw.command.as_str(), self.peer.id);
                self.punish(error.misbehaviour()).map(|()| None)
            }
        }
    }

    /// Each item of a kind that does not exist has its price.
    fn punish_unknown_kinds(&self, items: &[Inventory]) -> Result<(), Ended> {
        let unknown = items.iter().filter(|item| matches!(item.kind, InventoryKind::Other(_))).count();
        (0..unknown).try_for_each(|_| self.punish(Misbehaviour::BadInventoryKind))
    }

    pub(super) fn punish(&self, misbehaviour: Misbehaviour) -> Result<(), Ended> {
        if self.shared.punish(&self.peer, misbehaviour) { Err(Ended::Misbehaved) } else { Ok(()) }
    }
}
