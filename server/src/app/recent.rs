//! [`Recent`]: a few costly things, kept until others were used more recently.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps the `capacity` things that were used last. Meant for a handful: looking one up goes through all.
pub struct Recent<K, V> {
    capacity: usize,
    /// The one used last stands last.
    entries: Mutex<Vec<(K, Arc<V>)>>,
}

impl<K: PartialEq, V> Recent<K, V> {
    /// Keeps nothing yet, and at most `capacity` things.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::new(Vec::new()) }
    }

    /// The thing of this key; `make` makes it when it is not here. Two callers at once may both make it; one is kept.
    ///
    /// # Errors
    /// When `make` fails; nothing is kept then.
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
        // Every change leaves the list whole, so a panic elsewhere does no harm to it.
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
        assert_eq!(get(3), (30, true)); // 2 goes
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
