//! Ranks on emulated GPUs: what they add up when, and that nobody waits for a rank that has ended.

use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    Arithmetic, Blocks, Descent, MaeShape, Tensor,
    emulated::Emulated,
    gpu::{Address, Gpu},
    testing::mae_tensors,
};

/// Numbers from which on a part of the micro model is a part of its own.
const SMALL: usize = 4000;

fn shape() -> MaeShape {
    MaeShape {
        side: 12,
        patch: 4,
        encoder: Blocks { width: 32, depth: 3, heads: 2 },
        decoder: Blocks { width: 16, depth: 2, heads: 1 },
    }
}

/// Numbers between -0.1 and 0.1 from a seed.
fn random(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405) | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 24) as f32 * 0.2 - 0.1
    };
    (0..count).map(|_| next()).collect()
}

fn trainer(gpu: &Arc<dyn Gpu>, tensors: &[Tensor], accumulate: u32) -> MaeTrainer {
    let table: Vec<f32> = (0..768).map(|i| (i % 256) as f32 / 128.0 - 1.0).collect();
    let descent = Descent { betas: (0.9, 0.95), accumulate, clip_norm: 0.0 };
    let trainer = MaeTrainer::new(gpu, Arithmetic::F32, shape(), tensors, &table, descent).unwrap();
    let numbers = tensors.iter().map(|tensor| tensor.len).sum();
    trainer.training().set(&random(numbers, 5)).unwrap();
    trainer
}

/// The batch with this number, and how many images it has.
struct Batch {
    pictures: Vec<Vec<u8>>,
    orders: Vec<u32>,
}

impl Batch {
    fn new(images: usize, number: u32) -> Self {
        let bytes = |image: u32| {
            let numbers = random(12 * 12 * 3, 100 * number + image + 1);
            numbers.into_iter().map(|value| (value * 1270.0) as i32 as u8).collect()
        };
        let order = |image: u32| (0..9).map(move |i| (i * 2 + image + number) % 9);
        let all = 0..images as u32;
        Self { pictures: all.clone().map(bytes).collect(), orders: all.flat_map(order).collect() }
    }

    fn step(&self, ranks: &mut Ranks<MaeTrainer>, place: usize) -> Result<f32> {
        let images: Vec<&[u8]> = self.pictures.iter().map(Vec::as_slice).collect();
        let batch = MaskedImages {
            images: crate::Pictures::Bytes(&images),
            orders: &self.orders,
            visible: 4,
            normalised: true,
        };
        ranks.step(&batch, Place { place, rate: 1e-3 })?;
        ranks.loss()
    }
}

/// Trainers on these GPUs that are connected like this.
fn ranks(
    gpus: &[Arc<dyn Gpu>],
    connected: Vec<Box<dyn Communicator>>,
    accumulate: u32,
) -> Ranks<MaeTrainer> {
    let tensors = mae_tensors(&shape());
    let trainers = gpus.iter().map(|gpu| trainer(gpu, &tensors, accumulate)).collect();
    let places = (0, connected.len());
    Ranks { trainers, communicators: connected, places }
}

fn emulated(count: usize) -> Vec<Arc<dyn Gpu>> {
    (0..count).map(|_| Arc::new(Emulated::new()) as Arc<dyn Gpu>).collect()
}

/// Losses and parameters of a few steps of two batches, of which the last has fewer images than the others, and than four ranks.
fn trained(mut ranks: Ranks<MaeTrainer>, accumulate: usize) -> (Vec<f32>, Vec<Vec<f32>>) {
    let losses = [5, 5, 5, 3].iter().zip(0..).map(|(&images, number)| {
        Batch::new(images, number).step(&mut ranks, number as usize % accumulate).unwrap()
    });
    let losses = losses.collect();
    let values = ranks.trainers.iter().map(|trainer| trainer.training().values().unwrap());
    (losses, values.collect())
}

/// The largest difference of two lists.
fn apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    let apart = one.iter().zip(other).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, |most, it| if it.is_nan() { f32::INFINITY } else { most.max(it) })
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn one_two_and_four_ranks_train_alike() {
    for accumulate in [1, 2] {
        let one = ranks(&emulated(1), vec![Box::new(Alone)], accumulate);
        let (want_losses, want) = trained(one, accumulate as usize);
        for count in [2, 4] {
            let of = |part| {
                let connected = boxed(ThreadRank::group(count, part, None));
                trained(ranks(&emulated(count), connected, accumulate), accumulate as usize)
            };
            let (losses, values) = of(SMALL);
            assert!(apart(&want_losses, &losses) < 1e-5, "{count} ranks: {losses:?}");
            // Where a gradient is rounding, such as that of the keys' bias, the optimiser makes whole steps of it: 1e-3 each.
            let apart_most = apart(&want[0], &values[0]);
            assert!(apart_most < 5e-3, "{count} ranks: {apart_most}");
            let near = want[0].iter().zip(&values[0]).filter(|(a, b)| (*a - *b).abs() > 1e-4);
            assert!(near.count() * 50 < want[0].len(), "{count} ranks");
            for rank in &values[1..] {
                assert_eq!(bits(rank), bits(&values[0]), "all ranks have the same bits");
            }
            // Parts change when numbers are added up, not how.
            let (_, whole) = of(usize::MAX);
            assert_eq!(bits(&whole[0]), bits(&values[0]));
        }
    }
}

/// Where numbers are added up, and how many; and the gradient as it is then.
type Sum = (Vec<(Address, usize)>, Vec<f32>);

/// The only rank, which writes down what it would add up: where, and the gradient as it is then.
struct Watching {
    seen: Arc<Mutex<Vec<Sum>>>,
    gradient: (Address, usize),
}

impl Communicator for Watching {
    fn sum(&self, gpu: &Arc<dyn Gpu>, parts: &[(Address, usize)]) -> Result<()> {
        let mut bytes = vec![0; 4 * self.gradient.1];
        gpu.read(self.gradient.0, &mut bytes)?;
        let numbers = bytes.as_chunks::<4>().0.iter().map(|it| f32::from_ne_bytes(*it));
        self.seen.lock().unwrap().push((parts.to_vec(), numbers.collect()));
        Ok(())
    }

    fn settle(&self, _: &Arc<dyn Gpu>) -> Result<()> {
        Ok(())
    }

    fn end(&self, _: &str) {}

    fn part(&self) -> usize {
        1
    }
}

#[test]
fn each_part_is_added_up_when_it_is_complete_and_before_the_next_is_begun() {
    let gpus = emulated(1);
    let tensors = mae_tensors(&shape());
    let trainer = trainer(&gpus[0], &tensors, 1);
    let flat = Arc::clone(&trainer.training().flat);
    let total = flat.table.total();
    // What is not yet computed shows.
    let odd = 1234.5f32;
    flat.gradient.as_ref().unwrap().write(&vec![odd; total + 1]).unwrap();
    let seen = Arc::default();
    let watching = Watching { seen: Arc::clone(&seen), gradient: (flat.grad(0), total + 1) };
    let mut ranks =
        Ranks { trainers: vec![trainer], communicators: vec![Box::new(watching)], places: (0, 1) };
    Batch::new(3, 1).step(&mut ranks, 0).unwrap();

    let seen = seen.lock().unwrap();
    // Head of the decoder, two blocks, what lies between, three blocks, patches and CLS token.
    assert_eq!(seen.len(), 1 + 2 + 1 + 3 + 1);
    let last = &seen.last().unwrap().1;
    let weights = |name: &str| flat.table.place(&format!("{name}.weight"));
    let order = [
        "decoder_pred",
        "decoder_blocks.1.attn.qkv",
        "decoder_blocks.0.attn.qkv",
        "decoder_embed",
        "blocks.2.attn.qkv",
        "blocks.1.attn.qkv",
        "blocks.0.attn.qkv",
        "patch_embed.proj",
    ];
    let mut summed = 0;
    for (stage, (parts, gradient)) in seen.iter().enumerate() {
        for &(at, count) in parts {
            let first = ((at - flat.grad(0)) / 4) as usize;
            let complete = &gradient[first..first + count];
            assert_eq!(bits(complete), bits(&last[first..first + count]), "stage {stage}");
            summed += count;
        }
        for (other, name) in order.iter().enumerate() {
            let is_there = gradient[weights(name)].to_bits() != odd.to_bits();
            assert_eq!(is_there, other <= stage, "{name} behind stage {stage}");
        }
    }
    // All that is trained, once, with its gaps; then the loss.
    let trained = tensors.iter().filter(|tensor| tensor.trained.is_some());
    assert_eq!(summed, 1 + trained.map(|tensor| tensor.len.next_multiple_of(128)).sum::<usize>());
    assert_eq!(seen.last().unwrap().0.last(), Some(&(flat.loss(), 1)));
}

#[test]
fn batches_that_complete_no_step_add_up_their_loss_alone() {
    let gpus = emulated(1);
    let trainer = trainer(&gpus[0], &mae_tensors(&shape()), 3);
    let flat = Arc::clone(&trainer.training().flat);
    let seen = Arc::default();
    let watching = Watching { seen: Arc::clone(&seen), gradient: (flat.grad(0), 1) };
    let mut ranks =
        Ranks { trainers: vec![trainer], communicators: vec![Box::new(watching)], places: (0, 1) };
    let mut sums = Vec::new();
    for place in 0..3 {
        Batch::new(2, place).step(&mut ranks, place as usize).unwrap();
        sums.push(std::mem::take(&mut *seen.lock().unwrap()));
    }
    for sums in &sums[..2] {
        assert_eq!(
            sums.iter().map(|(parts, _)| parts.clone()).collect::<Vec<_>>(),
            [[(flat.loss(), 1)]]
        );
    }
    assert_eq!(sums[2].len(), 8);
    assert_ne!(sums[2][0].0[0].0, flat.grad(0), "the step's gradient, not the last batch's");
}

/// Three ranks of which the second fails in the middle of the backward pass of its second batch.
pub(crate) fn ranks_of_which_one_fails(
    connected: impl Fn(&[Arc<dyn Gpu>]) -> Vec<Box<dyn Communicator>>,
) -> String {
    let most = 1_000_000;
    let whole = Arc::new(Emulated::failing_after(most));
    let gpus = [Arc::clone(&whole) as Arc<dyn Gpu>];
    let mut one = ranks(&gpus, vec![boxed(ThreadRank::group(1, SMALL, None)).remove(0)], 1);
    let before = whole.done(most);
    Batch::new(2, 1).step(&mut one, 0).unwrap();
    let a_step = whole.done(most) - before;

    let failing = Arc::new(Emulated::failing_after(before + a_step + a_step * 3 / 4));
    let mut gpus = emulated(3);
    gpus[1] = failing;
    let connected = connected(&gpus);
    let mut ranks = ranks(&gpus, connected, 1);
    Batch::new(6, 1).step(&mut ranks, 0).unwrap();
    let error = Batch::new(6, 2).step(&mut ranks, 0).unwrap_err().to_string();
    // Nobody goes on without it.
    let again = Batch::new(6, 3).step(&mut ranks, 0).unwrap_err().to_string();
    assert!(again.contains("rank 1 of 3"), "{again}");
    error
}

#[test]
fn a_rank_that_fails_in_the_middle_of_a_pass_is_named_and_nobody_waits_for_it() {
    let error = ranks_of_which_one_fails(|gpus| boxed(ThreadRank::group(gpus.len(), SMALL, None)));
    assert_eq!(error, "rank 1 of 3: a kernel cannot be started: the GPU has fallen off the bus");
}

#[test]
fn a_rank_that_panics_is_named_and_nobody_waits_for_it() {
    let connected = boxed(ThreadRank::group(3, 1, None));
    let mut ranks = Ranks { trainers: vec![(); 3], communicators: connected, places: (0, 3) };
    let gpus = emulated(3);
    let error = ranks.each(|rank, (), communicator| {
        assert!(rank != 2, "a mistake");
        communicator.sum(&gpus[rank], &[])
    });
    assert_eq!(error.unwrap_err().to_string(), "rank 2 of 3 ended: a panic");
}

#[test]
fn the_way_that_gradients_are_added_up_is_told() {
    let devices = |count| vec![Device::emulated(); count];
    assert_eq!(
        (Group::of(&devices(1), None).note(), Group::of(&devices(1), None).bits()),
        (None, String::new())
    );
    let several = Group::of(&devices(2), None);
    let note = several.note().unwrap();
    assert!(note.starts_with("the GPUs add up gradients by way of the host's memory"), "{note}");
    assert_eq!(several.bits(), ", added up by the host");
}

/// Machines that are threads of this process.
#[derive(Debug)]
struct Pretended {
    machine: usize,
    together: Arc<Together>,
}

#[derive(Debug)]
struct Together {
    brought: Mutex<Vec<Vec<f32>>>,
    all: std::sync::Barrier,
}

impl Pretended {
    fn machines(count: usize) -> Vec<Arc<dyn Machines>> {
        let all = std::sync::Barrier::new(count);
        let together = Arc::new(Together { brought: Mutex::new(vec![Vec::new(); count]), all });
        let machine = |machine| Self { machine, together: Arc::clone(&together) };
        (0..count).map(|it| Arc::new(machine(it)) as Arc<dyn Machines>).collect()
    }
}

impl Machines for Pretended {
    fn place(&self) -> (usize, usize) {
        (self.machine, self.together.brought.lock().unwrap().len())
    }

    fn tell(&self, _: Vec<u8>) -> Result<Vec<u8>, String> {
        unreachable!("the host's memory needs no number")
    }

    fn sum(&self, values: &mut [f32]) -> Result<(), String> {
        let Together { brought, all } = &*self.together;
        brought.lock().unwrap()[self.machine] = values.to_vec();
        all.wait();
        values.fill(0.0);
        for theirs in &*brought.lock().unwrap() {
            values.iter_mut().zip(theirs).for_each(|(value, its)| *value += its);
        }
        all.wait();
        Ok(())
    }

    fn watch(&self, _: Box<dyn Fn(&str) + Send>) {}

    fn end(&self, _: &str) {}
}

#[test]
fn machines_train_as_the_ranks_of_one() {
    // Two machines of a GPU, three of a GPU, two of two.
    for (machines, gpus) in [(2, 1), (3, 1), (2, 2)] {
        let all = boxed(ThreadRank::group(machines * gpus, SMALL, None));
        let (want_losses, want) = trained(ranks(&emulated(machines * gpus), all, 1), 1);
        let each = std::thread::scope(|scope| {
            let threads = Pretended::machines(machines).into_iter().map(|machine| {
                scope.spawn(move || {
                    let place = machine.place().0;
                    let connected = boxed(ThreadRank::group(gpus, SMALL, Some(machine)));
                    let ranks = ranks(&emulated(gpus), connected, 1);
                    let places = (place * gpus, machines * gpus);
                    trained(Ranks { places, ..ranks }, 1)
                })
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        for (losses, values) in &each {
            assert!(apart(losses, &want_losses) < 1e-5, "{losses:?} {want_losses:?}");
            for values in values {
                assert_eq!(bits(values), bits(&each[0].1[0]), "all have the same bits");
                if gpus == 1 {
                    // The order of the sums is the same, too.
                    assert_eq!(bits(values), bits(&want[0]));
                }
            }
        }
    }
}
