//! Locks that a panic doesn't poison, since what they guard is consistent whenever others may see it; and waits between
//! threads.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

/// Locks a mutex, whether or not another thread has panicked while it held it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something for which a thread waits. It is also a waker.
#[derive(Debug, Default)]
pub struct Bell {
    has_rung: Mutex<bool>,
    rung: Condvar,
}

impl Bell {
    /// Waits until it rings, or has rung since the last wait, at most this long. Returns whether it has.
    pub fn wait(&self, length: Duration) -> bool {
        let waits = |has_rung: &mut bool| !*has_rung;
        let waited = self.rung.wait_timeout_while(lock(&self.has_rung), length, waits);
        let (mut has_rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *has_rung)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *lock(&self.has_rung) = true;
        self.rung.notify_all();
    }
}

/// Something that one thread tells another one, which is woken by it.
#[derive(Clone, Debug)]
pub struct Signal(Arc<(AtomicBool, Waker)>);

#[cfg_attr(not(feature = "speech"), expect(dead_code, reason = "nobody speaks over a prompt"))]
impl Signal {
    /// Creates a signal for whoever waits by this.
    pub fn new(waker: Waker) -> Self {
        Self(Arc::new((AtomicBool::new(false), waker)))
    }

    /// Gives the signal.
    pub fn raise(&self) {
        self.0.0.store(true, SeqCst);
        self.0.1.wake_by_ref();
    }

    /// Takes it back.
    pub fn lower(&self) {
        self.0.0.store(false, SeqCst);
    }

    /// Whether it is given.
    pub fn is_raised(&self) -> bool {
        self.0.0.load(SeqCst)
    }
}
