//! Admission: who may call, and how many calls there may be at a time.

use crate::host::metrics::Refused;
use crate::sync::lock;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Who may call, and how many calls there may be at a time.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The maximum number of calls at a time.
    pub max_calls: usize,
    /// The maximum number of calls at a time from one address; `None` for no limit.
    pub max_calls_per_peer: Option<usize>,
    /// The networks from which Asterisks may connect.
    pub allow: Vec<IpNet>,
}

impl Default for Admission {
    fn default() -> Self {
        let loopback = [IpAddr::from([127, 0, 0, 0]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        let allow = loopback.into_iter().zip([8, 128]).filter_map(|(ip, length)| IpNet::new(ip, length).ok()).collect();
        Self { max_calls: 10_000, max_calls_per_peer: None, allow }
    }
}

impl Admission {
    /// Whether this address may call. An IPv4 address may be written as an IPv6 one.
    #[must_use]
    pub fn allows(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.allow.iter().any(|net| net.contains(&peer))
    }
}

/// The calls in progress, counted against an [`Admission`].
pub(super) struct CallSlots {
    pub admission: Admission,
    calls: AtomicUsize,
    peers: Mutex<HashMap<IpAddr, usize>>,
}

impl CallSlots {
    pub fn new(admission: Admission) -> Self {
        Self { admission, calls: AtomicUsize::new(0), peers: Mutex::default() }
    }

    /// Returns the number of calls.
    pub fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }

    /// Returns for how many more calls there is room.
    pub fn room(&self, peer: IpAddr) -> usize {
        let Admission { max_calls, max_calls_per_peer, .. } = self.admission;
        let of_peer = || lock(&self.peers).get(&peer).copied().unwrap_or(0);
        let room = max_calls.saturating_sub(self.calls());
        max_calls_per_peer.map_or(room, |max| room.min(max.saturating_sub(of_peer())))
    }

    /// Counts a call in, if there is room for it.
    pub fn acquire(self: &Arc<Self>, peer: IpAddr) -> Result<Permit, Refused> {
        let Admission { max_calls, max_calls_per_peer, .. } = self.admission;
        let counted = self.calls.fetch_update(Relaxed, Relaxed, |calls| (calls < max_calls).then_some(calls + 1));
        counted.map_err(|_| Refused::MaxCalls)?;
        if let Some(max) = max_calls_per_peer {
            let mut peers = lock(&self.peers);
            let calls = peers.entry(peer).or_default();
            if *calls >= max {
                self.calls.fetch_sub(1, Relaxed);
                return Err(Refused::MaxCallsPerPeer);
            }
            *calls += 1;
        }
        Ok(Permit { slots: Arc::clone(self), peer })
    }
}

/// The right to be one of the calls, given back when it is dropped.
pub(super) struct Permit {
    slots: Arc<CallSlots>,
    peer: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.slots.calls.fetch_sub(1, Relaxed);
        if self.slots.admission.max_calls_per_peer.is_some() {
            let mut peers = lock(&self.slots.peers);
            if let Some(calls) = peers.get_mut(&self.peer) {
                *calls -= 1;
                if *calls == 0 {
                    peers.remove(&self.peer);
                }
            }
        }
    }
}
