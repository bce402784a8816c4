//! A queue in which everybody has a turn. No IO.

use std::collections::{BTreeMap, VecDeque};

/// Items of many, in turns: whoever has items waiting gets one of them taken, then all the others do, in the order in which
/// they began to wait. Those of one keep their order.
#[derive(Debug)]
pub(super) struct RoundRobin<K, T> {
    waiting: BTreeMap<K, VecDeque<T>>,
    /// Whose turn is next; each that has items, once.
    turns: VecDeque<K>,
}

impl<K, T> Default for RoundRobin<K, T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), turns: VecDeque::new() }
    }
}

impl<K: Copy + Ord, T> RoundRobin<K, T> {
    pub(super) fn push(&mut self, who: K, item: T) {
        let items = self.waiting.entry(who).or_default();
        if items.is_empty() {
            self.turns.push_back(who);
        }
        items.push_back(item);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let who = self.turns.pop_front()?;
        let items = self.waiting.get_mut(&who)?;
        let item = items.pop_front();
        if items.is_empty() {
            self.waiting.remove(&who);
        } else {
            self.turns.push_back(who);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    #[test]
    fn one_item_waits_for_one_of_each_other_and_not_for_all_of_them() {
        let mut queue = RoundRobin::default();
        for number in 0..1000 {
            queue.push('a', number);
        }
        queue.push('b', 7000);
        queue.push('c', 8000);
        queue.push('c', 8001);
        let first: Vec<_> = (0..6).filter_map(|_| queue.pop()).collect();
        assert_eq!(first, [0, 7000, 8000, 1, 8001, 2]);
        assert_eq!((0..1000).filter_map(|_| queue.pop()).last(), Some(999));
        assert!(queue.waiting.is_empty() && queue.turns.is_empty());
    }

    quickcheck! {
        /// Nothing is lost, and what one put in comes out in its order.
        fn it_is_a_queue_for_each(steps: Vec<Option<u8>>) -> bool {
            let (mut queue, mut expected) = (RoundRobin::default(), BTreeMap::<u8, VecDeque<usize>>::new());
            let mut pushed = 0;
            let check = |popped: Option<(u8, usize)>, expected: &mut BTreeMap<u8, VecDeque<usize>>| match popped {
                Some((who, number)) => expected.get_mut(&who).and_then(VecDeque::pop_front) == Some(number),
                None => expected.values().all(VecDeque::is_empty),
            };
            for step in steps {
                match step {
                    Some(who) => {
                        queue.push(who % 5, (who % 5, pushed));
                        expected.entry(who % 5).or_default().push_back(pushed);
                        pushed += 1;
                    }
                    None if !check(queue.pop(), &mut expected) => return false,
                    None => {}
                }
            }
            (0..=pushed).all(|_| check(queue.pop(), &mut expected))
        }

        /// Between two turns of one, each of the others has one at most.
        fn nobody_is_passed_over(items: Vec<u8>) -> bool {
            let mut queue = RoundRobin::default();
            for who in items {
                queue.push(who % 7, who % 7);
            }
            let mut order = Vec::new();
            while let Some(who) = queue.pop() {
                order.push(who);
            }
            (0..7).all(|who| {
                let turns: Vec<_> = (0..order.len()).filter(|&turn| order[turn] == who).collect();
                turns.windows(2).all(|pair| {
                    let mut between = order[pair[0] + 1..pair[1]].to_vec();
                    let count = between.len();
                    between.sort_unstable();
                    between.dedup();
                    between.len() == count
                })
            })
        }
    }
}
