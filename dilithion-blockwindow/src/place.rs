//! Where one height is, and whom it was asked of.

use crate::clock::Counted;
use core::time::Duration;

/// Where a tracked height is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockState<P> {
    /// To be requested.
    Pending,
    /// Requested, not yet delivered.
    InFlight {
        /// The peer that was asked.
        peer: P,
        /// When it was asked, on the caller's clock.
        since: Duration,
        /// Who was asked too, because the first took long; see
        /// [`BlockWindow::second_request`](crate::BlockWindow::second_request).
        second: Option<SecondAsked<P>>,
    },
    /// Delivered, not yet connected.
    Received {
        /// The peer that delivered it; whom to avoid if the block turns out bad.
        from: P,
    },
}

/// The second of two peers that are asked for the same block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondAsked<P> {
    /// The peer.
    pub peer: P,
    /// When it was asked, on the caller's clock.
    pub since: Duration,
}

/// A peer that is asked for a height at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked<P> {
    pub(crate) peer: P,
    /// When, on the caller's clock.
    pub(crate) since: Duration,
    /// When, on the clock that pauses.
    pub(crate) counted: Counted,
}

/// The one or two peers that are asked for a height at present, never the same twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Askees<P> {
    first: Asked<P>,
    second: Option<Asked<P>>,
}

impl<P: Copy + Ord> Askees<P> {
    pub(crate) fn one(first: Asked<P>) -> Self {
        Self { first, second: None }
    }

    /// These and another. None if there are two already, or it is one of them.
    pub(crate) fn and(self, second: Asked<P>) -> Option<Self> {
        (self.second.is_none() && self.first.peer != second.peer)
            .then_some(Self { second: Some(second), ..self })
    }

    /// These but for `peer`. None if nobody is left.
    pub(crate) fn without(self, peer: P) -> Option<Self> {
        let mut left = self.iter().filter(|asked| asked.peer != peer);
        Some(Self { first: left.next()?, second: left.next() })
    }

    pub(crate) fn first(&self) -> Asked<P> {
        self.first
    }

    pub(crate) fn has_second(&self) -> bool {
        self.second.is_some()
    }

    pub(crate) fn of(&self, peer: P) -> Option<Asked<P>> {
        self.iter().find(|asked| asked.peer == peer)
    }

    /// In the order in which they were asked.
    pub(crate) fn iter(self) -> impl Iterator<Item = Asked<P>> {
        core::iter::once(self.first).chain(self.second)
    }
}

/// [`BlockState`] as the window keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<P> {
    Pending,
    InFlight(Askees<P>),
    Received { from: P },
}

/// All that is known of a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<P> {
    pub(crate) place: Place<P>,
    /// The peer that failed the height last, which is not to be asked for it next.
    pub(crate) avoid: Option<P>,
    /// How many times the height was requested.
    pub(crate) attempts: u32,
}

impl<P: Copy + Ord> Entry<P> {
    /// A height that was never requested.
    pub(crate) fn new() -> Self {
        Self { place: Place::Pending, avoid: None, attempts: 0 }
    }

    /// The open requests for the height.
    pub(crate) fn askees(&self) -> Option<Askees<P>> {
        match self.place {
            Place::InFlight(askees) => Some(askees),
            Place::Pending | Place::Received { .. } => None,
        }
    }

    /// The height when one more peer is asked for it. None if it was received, or may not have this one beside those
    /// that are asked already.
    pub(crate) fn asked_of(self, asked: Asked<P>) -> Option<Self> {
        let askees = match self.place {
            Place::Pending => Askees::one(asked),
            Place::InFlight(askees) => askees.and(asked)?,
            Place::Received { .. } => return None,
        };
        Some(Self { place: Place::InFlight(askees), attempts: self.attempts.saturating_add(1), ..self })
    }

    /// The height when `peer` is not asked for it any more: in flight still if another is.
    pub(crate) fn without(self, peer: P) -> Self {
        let place = match self.place {
            Place::InFlight(askees) => askees.without(peer).map_or(Place::Pending, Place::InFlight),
            place @ (Place::Pending | Place::Received { .. }) => place,
        };
        Self { place, ..self }
    }

    pub(crate) fn state(&self) -> BlockState<P> {
        match self.place {
            Place::Pending => BlockState::Pending,
            Place::InFlight(Askees { first, second }) => BlockState::InFlight {
                peer: first.peer,
                since: first.since,
                second: second.map(|second| SecondAsked { peer: second.peer, since: second.since }),
            },
            Place::Received { from } => BlockState::Received { from },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(peer: u8) -> Asked<u8> {
        let since = Duration::from_secs(u64::from(peer));
        Asked { peer, since, counted: Counted::from(since) }
    }

    #[test]
    fn a_height_is_asked_of_two_different_peers_at_most() {
        let one = Entry::new().asked_of(asked(1)).unwrap();
        assert_eq!(one.asked_of(asked(1)), None);
        let two = one.asked_of(asked(2)).unwrap();
        assert_eq!(two.asked_of(asked(3)), None);
        assert_eq!(two.attempts, 2);
        assert_eq!(Entry { place: Place::Received { from: 1 }, ..two }.asked_of(asked(3)), None);
    }

    #[test]
    fn one_leaving_leaves_the_other() {
        let two = Askees::one(asked(1)).and(asked(2)).unwrap();
        assert_eq!(two.without(1), Some(Askees::one(asked(2))));
        assert_eq!(two.without(2), Some(Askees::one(asked(1))));
        assert_eq!(two.without(3), Some(two));
        assert_eq!(Askees::one(asked(1)).without(1), None);
    }
}
