//! Scores and bans of a running node, and the file that keeps the bans.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dilithion_wire::{BAN_SCORE, Misbehaviour, PeerId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::ban_list::{Ban, BanList};
use super::score::{ScoreKeeper, Scored};
use super::{BAN_DURATION, Host, SAVE_INTERVAL, saved};
use crate::clock::Now;

/// The file of the bans, in the data directory.
pub(super) const BAN_FILE: &str = "banlist.json";

/// Who is never banned by address, however it behaves: its connections are closed all the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Spared {
    /// Hosts that the operator, or the network's parameters, name.
    pub(super) hosts: BTreeSet<Host>,
    /// Whether this machine's addresses count as others do.
    pub(super) loopback_as_remote: bool,
}

impl Spared {
    fn spares(&self, host: Host) -> bool {
        self.is_local(host) || self.hosts.contains(&host)
    }

    fn is_local(&self, host: Host) -> bool {
        host.is_local() && !self.loopback_as_remote
    }
}

/// What peers have done and who is refused for it. The lock is held for a map operation at a time.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    file: Option<PathBuf>,
    spared: Spared,
    state: Mutex<State>,
    /// Rings when the list has changed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    list: BanList,
    scores: ScoreKeeper,
}

impl Bans {
    /// With the bans of an earlier run. A file that makes no sense is reported, and replaced by the next ban.
    pub(super) fn load(file: Option<PathBuf>, spared: Spared) -> Self {
        let loaded = file.as_deref().map_or(Ok(None), saved::load);
        let list = loaded.unwrap_or_else(|error| {
            tracing::warn!("[P2P] Cannot read {}: {error}", file.clone().unwrap_or_default().display());
            None
        });
        let state = State { list: list.unwrap_or_default(), scores: ScoreKeeper::default() };
        Self { file, spared, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Scores a peer, and bans its host at [`BAN_SCORE`]. Returns the score; at or above the limit the connection is to
    /// be closed.
    pub(super) fn punish(&self, peer: PeerId, ip: IpAddr, misbehaviour: Misbehaviour, now: Now) -> u32 {
        let host = Host::of(ip);
        let local = self.spared.is_local(host);
        let who = if local { Scored::Connection(peer) } else { Scored::Host(host) };
        let mut state = self.lock();
        let score = state.scores.add(who, misbehaviour, now.mono);
        let added = misbehaviour.score();
        tracing::warn!("[P2P] Peer {peer} misbehaved: {misbehaviour} (+{added}, score {score})");
        if score >= BAN_SCORE {
            let reason = state.scores.reasons(who);
            state.scores.forget(who);
            if self.spared.spares(host) {
                tracing::warn!("[P2P] Peer {peer} will be disconnected: {reason}");
            } else if state.list.ban(host, reason.clone(), now.unix, BAN_DURATION) {
                tracing::warn!("[P2P] Banned {host} for {} h: {reason}", BAN_DURATION.as_secs() / 3600);
                self.changed.notify_one();
            }
        }
        score
    }

    /// Forgets the score of a connection that has ended, if it was the connection's own.
    pub(super) fn forget_connection(&self, peer: PeerId) {
        self.lock().scores.forget(Scored::Connection(peer));
    }

    /// Why an address is refused now, if it is.
    #[must_use]
    pub(crate) fn reason(&self, ip: IpAddr, now: Now) -> Option<String> {
        self.lock().list.get(Host::of(ip), now.unix).map(|ban| ban.reason.clone())
    }

    /// Whether a host is this machine, and treated so.
    pub(super) fn is_local(&self, host: Host) -> bool {
        self.spared.is_local(host)
    }

    /// The bans in force.
    #[must_use]
    pub(crate) fn list(&self, now: Now) -> Vec<Ban> {
        self.lock().list.list(now.unix)
    }

    /// Bans a host by hand.
    pub(crate) fn ban_for(&self, ip: IpAddr, reason: String, duration: Duration, now: Now) {
        self.lock().list.ban(Host::of(ip), reason, now.unix, duration);
        self.changed.notify_one();
    }

    /// Lifts a ban; tells whether there was one.
    pub(crate) fn unban(&self, ip: IpAddr) -> bool {
        let host = Host::of(ip);
        let mut state = self.lock();
        state.scores.forget(Scored::Host(host));
        let banned = state.list.unban(host);
        self.changed.notify_one();
        banned
    }

    /// Lifts all bans.
    pub(crate) fn clear(&self) {
        self.lock().list.clear();
        self.changed.notify_one();
    }

    /// Writes the list whenever it has changed, and not more often than each [`SAVE_INTERVAL`], until `stopped`.
    pub(super) async fn keep_saved(&self, stopped: CancellationToken) {
        let Some(file) = self.file.clone() else { return };
        loop {
            // First what has changed: a change that came before the end waits as a permit.
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                () = stopped.cancelled() => return,
            }
            let (list, path) = (self.lock().list.clone(), file.clone());
            match tokio::task::spawn_blocking(move || saved::save(&path, &list)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!("[P2P] Cannot write {}: {error}", file.display()),
                // The runtime is shutting down.
                Err(_) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(SAVE_INTERVAL) => {}
                () = stopped.cancelled() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOTE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn punish_to_the_limit(bans: &Bans, peer: u64, ip: IpAddr) -> u32 {
        bans.punish(PeerId(peer), ip, Misbehaviour::BadChecksum, Now::default());
        bans.punish(PeerId(peer), ip, Misbehaviour::BadChecksum, Now::default())
    }

    #[test]
    fn a_host_is_banned_over_several_connections_with_its_reasons() {
        let bans = Bans::default();
        assert_eq!(bans.punish(PeerId(1), REMOTE, Misbehaviour::BadChecksum, Now::default()), 50);
        assert_eq!(bans.reason(REMOTE, Now::default()), None);
        assert_eq!(bans.punish(PeerId(2), REMOTE, Misbehaviour::BadChecksum, Now::default()), 100);
        assert_eq!(bans.reason(REMOTE, Now::default()).as_deref(), Some("invalid checksum ×2"));
        let later = Now { unix: BAN_DURATION.as_secs(), ..Now::default() };
        assert_eq!(bans.reason(REMOTE, later), None);
        assert!(bans.unban(REMOTE));
        assert_eq!(bans.list(Now::default()), []);
    }

    #[test]
    fn this_machine_is_scored_by_connection_and_never_banned_unless_asked_for() {
        let bans = Bans::default();
        assert_eq!(punish_to_the_limit(&bans, 1, LOCAL), 100);
        assert_eq!(bans.punish(PeerId(2), LOCAL, Misbehaviour::Malformed, Now::default()), 10);
        assert_eq!(bans.list(Now::default()), []);

        let strict = Bans::load(None, Spared { loopback_as_remote: true, ..Spared::default() });
        punish_to_the_limit(&strict, 1, LOCAL);
        assert!(strict.reason(LOCAL, Now::default()).is_some());
    }

    #[test]
    fn the_operators_peers_and_seeds_are_not_banned() {
        let hosts = [Host::of(REMOTE)].into();
        let bans = Bans::load(None, Spared { hosts, ..Spared::default() });
        assert_eq!(punish_to_the_limit(&bans, 1, REMOTE), 100);
        assert_eq!(bans.list(Now::default()), []);
    }

    #[tokio::test]
    async fn bans_are_on_disk_when_the_node_has_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let file = Some(folder.path().join(BAN_FILE));
        let bans = Bans::load(file.clone(), Spared::default());
        punish_to_the_limit(&bans, 1, REMOTE);
        let stopped = CancellationToken::new();
        // Stopped before the task has run at all: the worst case.
        let saving = bans.keep_saved(stopped.clone());
        let stop = async { stopped.cancel() };
        tokio::join!(saving, stop);
        let again = Bans::load(file, Spared::default());
        assert_eq!(again.list(Now::default()), bans.list(Now::default()));
        assert_eq!(again.list(Now::default()).len(), 1);
    }
}
