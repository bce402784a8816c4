//! What we have asked of a peer: nobody is blamed for answering (spec: lessons §3, bug 185).

use std::sync::atomic::{AtomicU32, Ordering};

use dilithion_wire::{Command, Inventory, InventoryKind, Message};

/// `headers` that may be outstanding.
const MAX_HEADERS: u32 = 16;
/// Blocks that may be outstanding: more than the block window has in flight with any peer.
const MAX_BLOCKS: u32 = 1024;
/// Transactions that may be outstanding: more than the relay asks of any peer at once.
const MAX_TRANSACTIONS: u32 = 128;
/// `addr` that may be outstanding.
const MAX_ADDRESSES: u32 = 1;

/// Outstanding answers of one peer, by kind.
#[derive(Debug, Default)]
pub(super) struct Asked {
    headers: AtomicU32,
    blocks: AtomicU32,
    transactions: AtomicU32,
    addresses: AtomicU32,
}

impl Asked {
    /// Takes note of what a message of ours asks for.
    pub(super) fn note(&self, message: &Message) {
        let of_kind = |items: &[Inventory], kind| items.iter().filter(|item| item.kind == kind).count();
        if let Message::GetData(items) = message {
            add(&self.blocks, MAX_BLOCKS, of_kind(items, InventoryKind::Block));
            add(&self.transactions, MAX_TRANSACTIONS, of_kind(items, InventoryKind::Tx));
        }
        let (count, max) = match message {
            Message::GetHeaders(_) => (&self.headers, MAX_HEADERS),
            Message::GetAddr => (&self.addresses, MAX_ADDRESSES),
            _ => return,
        };
        add(count, max, 1);
    }

    /// A message of the peer arrived: whether it is one that we asked for.
    pub(super) fn settle(&self, command: &Command) -> bool {
        let count = match command.as_str() {
            "headers" => &self.headers,
            "block" => &self.blocks,
            "tx" => &self.transactions,
            "addr" => &self.addresses,
            _ => return false,
        };
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok()
    }
}

/// So many more answers may come, `max` at most.
fn add(count: &AtomicU32, max: u32, answers: usize) {
    let answers = u32::try_from(answers).unwrap_or(max);
    let add = |count: u32| Some(count.saturating_add(answers).min(max));
    // An addition never declines.
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
}

#[cfg(test)]
mod tests {
    use dilithion_wire::{BlockHash, GetHeaders, Txid};

    use super::*;

    #[test]
    fn each_question_vouches_for_its_answers_and_no_more() {
        let asked = Asked::default();
        assert!(!asked.settle(&Command::HEADERS));
        asked.note(&Message::GetHeaders(GetHeaders { locator: Vec::new(), stop: BlockHash::ZERO }));
        let block = Inventory::block(BlockHash::ZERO);
        asked.note(&Message::GetData(vec![block, Inventory::tx(Txid::ZERO), block]));
        assert!(asked.settle(&Command::HEADERS) && !asked.settle(&Command::HEADERS));
        assert!(
            asked.settle(&Command::BLOCK) && asked.settle(&Command::BLOCK) && !asked.settle(&Command::BLOCK)
        );
        assert!(asked.settle(&Command::TX) && !asked.settle(&Command::TX));
        assert!(!asked.settle(&Command::ADDR) && !asked.settle(&Command::PING));
        asked.note(&Message::GetAddr);
        assert!(asked.settle(&Command::ADDR));
    }
}
