//! What waits to be written to one peer, and in which order.

use std::collections::VecDeque;

use super::Lane;

/// Messages for one peer: control before headers before blocks, within a lane in order. So a pong never waits behind
/// what is large, except behind the one message that is being written.
#[derive(Debug)]
pub struct SendQueue<T> {
    control: LaneQueue<T>,
    headers: LaneQueue<T>,
    blocks: LaneQueue<T>,
}

#[derive(Debug)]
struct LaneQueue<T> {
    messages: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> SendQueue<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { control: LaneQueue::new(), headers: LaneQueue::new(), blocks: LaneQueue::new() }
    }

    /// Queues a message of this many bytes on the wire.
    pub fn push(&mut self, lane: Lane, message: T, bytes: usize) {
        let queue = self.lane_mut(lane);
        queue.messages.push_back((message, bytes));
        queue.bytes = queue.bytes.saturating_add(bytes);
    }

    /// Takes the message that is due, with its lane and its bytes.
    pub fn pop(&mut self) -> Option<(Lane, T, usize)> {
        [Lane::Control, Lane::Headers, Lane::Blocks].into_iter().find_map(|lane| {
            let queue = self.lane_mut(lane);
            let (message, bytes) = queue.messages.pop_front()?;
            queue.bytes = queue.bytes.saturating_sub(bytes);
            Some((lane, message, bytes))
        })
    }

    /// Bytes that wait in a lane.
    #[must_use]
    pub const fn bytes(&self, lane: Lane) -> usize {
        match lane {
            Lane::Control => self.control.bytes,
            Lane::Headers => self.headers.bytes,
            Lane::Blocks => self.blocks.bytes,
        }
    }

    /// Messages that wait in a lane.
    #[must_use]
    pub fn len(&self, lane: Lane) -> usize {
        match lane {
            Lane::Control => self.control.messages.len(),
            Lane::Headers => self.headers.messages.len(),
            Lane::Blocks => self.blocks.messages.len(),
        }
    }

    const fn lane_mut(&mut self, lane: Lane) -> &mut LaneQueue<T> {
        match lane {
            Lane::Control => &mut self.control,
            Lane::Headers => &mut self.headers,
            Lane::Blocks => &mut self.blocks,
        }
    }
}

impl<T> Default for SendQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> LaneQueue<T> {
    const fn new() -> Self {
        Self { messages: VecDeque::new(), bytes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_overtakes_headers_and_headers_overtake_blocks() {
        let mut queue = SendQueue::new();
        queue.push(Lane::Blocks, 'b', 100);
        queue.push(Lane::Headers, 'h', 10);
        queue.push(Lane::Control, 'c', 1);
        queue.push(Lane::Control, 'd', 2);
        assert_eq!(
            (queue.bytes(Lane::Control), queue.bytes(Lane::Headers), queue.len(Lane::Blocks)),
            (3, 10, 1)
        );
        assert_eq!(queue.pop(), Some((Lane::Control, 'c', 1)));
        assert_eq!(queue.pop(), Some((Lane::Control, 'd', 2)));
        assert_eq!(queue.pop(), Some((Lane::Headers, 'h', 10)));
        assert_eq!(queue.pop(), Some((Lane::Blocks, 'b', 100)));
        assert_eq!((queue.pop(), queue.bytes(Lane::Blocks)), (None, 0));
    }
}
