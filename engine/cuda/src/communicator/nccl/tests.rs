//! The binding against a library with NCCL's functions, on emulated GPUs, which have their memory in the host's.

use std::sync::Arc;

use super::*;
use crate::{
    emulated::Emulated,
    gpu::Buffer,
    libraries::Libraries,
    ranks::tests::ranks_of_which_one_fails,
    testing::{compiled, real_gpu},
};

fn gpus(count: usize) -> Vec<Arc<dyn Gpu>> {
    (0..count).map(|_| Arc::new(Emulated::new()) as Arc<dyn Gpu>).collect()
}

#[test]
fn ranks_add_up_by_the_library() {
    let (_folder, file) = compiled(include_str!("pretended.c"));
    let nccl = Nccl::open(&file).unwrap();
    assert_eq!(nccl.version(), "2.28.9");
    let gpus = gpus(3);
    let ranks = nccl.join(&gpus, 1, None).unwrap();
    let numbers: Vec<_> = gpus
        .iter()
        .zip(1u8..)
        .map(|(gpu, rank)| Buffer::of(gpu, &[1.0f32, 7.0, f32::from(rank), 0.5]).unwrap())
        .collect();
    for _ in 0..20 {
        std::thread::scope(|scope| {
            for ((rank, gpu), numbers) in ranks.iter().zip(&gpus).zip(&numbers) {
                // The second number is in no part.
                let parts = [(numbers.at(), 1), (numbers.at() + 8, 2)];
                scope.spawn(move || {
                    rank.sum(gpu, &parts).unwrap();
                    rank.settle(gpu).unwrap();
                });
            }
        });
    }
    // The first sum adds up 1 + 2 + 3, each of the others multiplies by three.
    let thrice = 3f32.powi(19);
    for numbers in &numbers {
        let numbers: Vec<f32> = numbers.read(4).unwrap();
        assert_eq!(numbers, [3.0 * thrice, 7.0, 6.0 * thrice, 1.5 * thrice]);
    }
}

#[test]
fn a_rank_that_fails_ends_the_sums_of_the_others() {
    let (_folder, file) = compiled(include_str!("pretended.c"));
    let nccl = Nccl::open(&file).unwrap();
    let error = ranks_of_which_one_fails(|gpus| {
        let ranks = nccl.join(gpus, 4000, None).unwrap();
        ranks.into_iter().map(|rank| Box::new(rank) as Box<dyn Communicator>).collect()
    });
    assert_eq!(error, "rank 1 of 3: a kernel cannot be started: the GPU has fallen off the bus");
}

#[test]
fn a_gpu_that_cannot_join_is_told_with_the_librarys_words() {
    let (_folder, file) = compiled(include_str!("pretended.c"));
    let nccl = Nccl::open(&file).unwrap();
    // The library takes eight.
    let error = nccl.join(&gpus(9), 1, None).err().expect("too many").to_string();
    assert!(
        error.contains("a GPU cannot join the others: invalid argument (NCCL, code 4)"),
        "{error}"
    );
}

#[test]
fn a_library_that_is_too_old_is_of_no_use() {
    let (_folder, file) =
        compiled("int ncclGetVersion(int* version) { return *version = 21003, 0; }");
    let error = Nccl::open(&file).err().expect("it lacks functions");
    assert_eq!(error, "it has no ncclGetUniqueId: NCCL 2.14 or later is needed");
}

/// A sum of one rank changes nothing, but it runs in NCCL.
#[test]
fn one_rank_adds_up_on_a_real_gpu_at_once_and_recorded() {
    let Some(gpu) = real_gpu() else {
        eprintln!("skipped: MASKDOOR_TEST_GPU names no GPU");
        return;
    };
    let found = Libraries::open().get(crate::libraries::Library::Nccl).unwrap();
    let nccl = Nccl::open(&found.file).unwrap();
    let ranks = nccl.join(std::slice::from_ref(&gpu), 1, None).unwrap();
    let numbers = Buffer::of(&gpu, &[1.5f32, 7.0, -2.0]).unwrap();
    let sum = || {
        ranks[0].sum(&gpu, &[(numbers.at(), 1), (numbers.at() + 8, 1)])?;
        ranks[0].settle(&gpu)
    };
    sum().unwrap();
    assert_eq!(numbers.read::<f32>(3).unwrap(), [1.5, 7.0, -2.0], "at once");
    let recorded = gpu.record(&mut || sum()).unwrap().expect("a GPU records");
    gpu.replay(recorded).unwrap();
    assert_eq!(numbers.read::<f32>(3).unwrap(), [1.5, 7.0, -2.0], "recorded");
    gpu.forget(recorded);
}
