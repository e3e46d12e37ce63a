//! Work shared between threads.

use std::{
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Runs `work(0)` to `work(n - 1)` on up to `threads` threads and returns the results in order.
///
/// # Errors
/// The error with the lowest index. A panic in `work` is propagated to the caller.
pub fn in_parallel<T: Send, E: Send>(
    n: usize,
    threads: usize,
    work: impl Fn(usize) -> std::result::Result<T, E> + Sync,
) -> std::result::Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                return done;
            }
            done.push((i, work(i)));
        }
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(n)).map(|_| scope.spawn(take)).collect();
        let mut results = take();
        for other in others {
            results.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        results
    });
    results.sort_unstable_by_key(|&(i, _)| i);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_the_first_error_ends_it() {
        for threads in [1, 2, 5] {
            let squares = in_parallel(7, threads, |i| Ok::<_, ()>(i * i));
            assert_eq!(squares, Ok(vec![0, 1, 4, 9, 16, 25, 36]));
            let refused = in_parallel(7, threads, |i| if i == 3 { Err(i) } else { Ok(i) });
            assert_eq!(refused, Err(3));
        }
    }
}
