//! Values that functions keep in a call, by type.

use crate::sync::lock;
use std::any::{Any, TypeId};
use std::sync::{Arc, Mutex};

/// Values kept until the end of a call, at most one of each type.
///
/// A function of an embedder can keep whatever belongs to the call here: a customer's record, a connection. Values
/// are shared by reference, so no lock is held while they are used.
///
/// ```
/// use agi_rhai::script::Extensions;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// #[derive(Default)]
/// struct Attempts(AtomicU32);
///
/// let extensions = Extensions::default();
/// extensions.get_or_default::<Attempts>().0.fetch_add(1, Ordering::Relaxed);
/// assert_eq!(extensions.get::<Attempts>().map(|attempts| attempts.0.load(Ordering::Relaxed)), Some(1));
/// ```
#[derive(Default)]
pub struct Extensions(Mutex<Vec<Entry>>);

type Entry = (TypeId, Arc<dyn Any + Send + Sync>);

impl Extensions {
    /// Keeps a value, and returns the value of this type that it replaces.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        let mut entries = lock(&self.0);
        if let Some((_, kept)) = entries.iter_mut().find(|(kind, _)| *kind == TypeId::of::<T>()) {
            return std::mem::replace(kept, value).downcast().ok();
        }
        entries.push((TypeId::of::<T>(), value));
        None
    }

    /// Returns the value of this type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        find(&lock(&self.0))
    }

    /// Returns the value of this type, which the first use creates.
    pub fn get_or_default<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        if let Some(kept) = self.get() {
            return kept;
        }
        let value = Arc::new(T::default());
        let mut entries = lock(&self.0);
        // Another thread may have been faster.
        find(&entries).unwrap_or_else(|| {
            entries.push((TypeId::of::<T>(), Arc::<T>::clone(&value)));
            value
        })
    }
}

fn find<T: Send + Sync + 'static>(entries: &[Entry]) -> Option<Arc<T>> {
    let (_, kept) = entries.iter().find(|(kind, _)| *kind == TypeId::of::<T>())?;
    Arc::clone(kept).downcast().ok()
}

impl std::fmt::Debug for Extensions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Extensions").field(&lock(&self.0).len()).finish()
    }
}
