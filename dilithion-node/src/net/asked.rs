//! What we have asked of a peer: nobody is blamed for answering (spec: lessons §3, bug 185).

use std::sync::atomic::{AtomicU32, Ordering};

use dilithion_wire::{Command, Inventory, InventoryKind, Message};

/// `headers` that may be outstanding.
const MAX_HEADERS: u32 = 16;
/// Blocks that may be outstanding: more than the block window has in flight with any peer.
const MAX_BLOCKS: u32 = 1024;
/// `addr` that may be outstanding.
const MAX_ADDRESSES: u32 = 1;

/// Outstanding answers of one peer, by kind.
#[derive(Debug, Default)]
pub(super) struct Asked {
    headers: AtomicU32,
    blocks: AtomicU32,
    addresses: AtomicU32,
}

impl Asked {
    /// Takes note of what a message of ours asks for.
    pub(super) fn note(&self, message: &Message) {
        let is_block = |item: &&Inventory| item.kind == InventoryKind::Block;
        let (count, max, answers) = match message {
            Message::GetHeaders(_) => (&self.headers, MAX_HEADERS, 1),
            Message::GetAddr => (&self.addresses, MAX_ADDRESSES, 1),
            Message::GetData(items) => (&self.blocks, MAX_BLOCKS, items.iter().filter(is_block).count()),
            _ => return,
        };
        let answers = u32::try_from(answers).unwrap_or(max);
        let add = |count: u32| Some(count.saturating_add(answers).min(max));
        // An addition never declines.
        let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// A message of the peer arrived: whether it is one that we asked for.
    pub(super) fn settle(&self, command: &Command) -> bool {
        let count = match command.as_str() {
            "headers" => &self.headers,
            "block" => &self.blocks,
            "addr" => &self.addresses,
            _ => return false,
        };
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok()
    }
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
        assert!(!asked.settle(&Command::ADDR) && !asked.settle(&Command::PING));
        asked.note(&Message::GetAddr);
        assert!(asked.settle(&Command::ADDR));
    }
}
