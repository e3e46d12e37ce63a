//! [`Recent`]: a small cache that evicts the least recently used values.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps the `capacity` most recently used values. Meant for a handful: a lookup is a linear search.
pub struct Recent<K, V> {
    capacity: usize,
    /// The most recently used entry is last.
    entries: Mutex<Vec<(K, Arc<V>)>>,
}

impl<K: PartialEq, V> Recent<K, V> {
    /// An empty cache for at most `capacity` values.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::new(Vec::new()) }
    }

    /// The value of this key; `make` creates it if it is not cached. Two concurrent callers may both create it; one value is kept.
    ///
    /// # Errors
    /// When `make` fails; nothing is cached then.
    pub fn get_or_make<E>(&self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        if let Some(value) = self.get(&key) {
            return Ok(value);
        }
        let value = Arc::new(make()?);
        let mut entries = self.lock();
        entries.retain(|(known, _)| *known != key);
        if entries.len() >= self.capacity {
            entries.remove(0);
        }
        entries.push((key, value.clone()));
        Ok(value)
    }

    fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut entries = self.lock();
        let at = entries.iter().position(|(known, _)| known == key)?;
        let entry = entries.remove(at);
        let value = entry.1.clone();
        entries.push(entry);
        Some(value)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(K, Arc<V>)>> {
        // Every change leaves the list consistent, so a poisoned lock can be used.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes() {
        let recent = Recent::new(2);
        let get = |key: u32| {
            let mut made = false;
            let value = recent.get_or_make(key, || {
                made = true;
                Ok::<_, Infallible>(key * 10)
            });
            (*value.unwrap(), made)
        };
        assert_eq!(get(1), (10, true));
        assert_eq!(get(2), (20, true));
        assert_eq!(get(1), (10, false));
        assert_eq!(get(3), (30, true)); // evicts 2
        assert_eq!(get(1), (10, false));
        assert_eq!(get(2), (20, true));
    }

    #[test]
    fn a_failure_is_not_kept() {
        let recent = Recent::<u32, u32>::new(1);
        assert!(recent.get_or_make(1, || Err("broken")).is_err());
        assert_eq!(recent.get_or_make(1, || Ok::<_, &str>(5)).as_deref(), Ok(&5));
    }
}
