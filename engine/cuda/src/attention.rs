//! Which of the attention kernels serves a length and a head, and how it divides its work.

use crate::{
    Error, Result,
    gpu::{Gpu, Kernel, Traits},
    kernels::{Source, Storage},
};

/// Threads of a block of the plain kernel.
const PLAIN_WARPS: usize = 8;
/// The largest head of the plain kernel.
const LARGEST_HEAD: usize = 256;

/// A kernel with the size of its blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sized {
    pub kernel: Kernel,
    pub threads: usize,
    pub memory: usize,
}

/// Forward and backward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention {
    pub forward: Sized,
    pub backward: Sized,
}

/// How a kernel of matrix instructions shares out its tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    /// Tiles that a warp has at once.
    span: usize,
    /// Warps of a block.
    warps: usize,
    /// Bytes of shared memory of a block.
    memory: usize,
    /// Blocks that a multiprocessor has room for, by registers and shared memory.
    blocks: usize,
}

/// Shares of the two kernels of matrix instructions, where a block of this GPU has room for them.
fn shares(traits: &Traits, tokens: usize, head: usize) -> [Option<Share>; 2] {
    let tiles = tokens.div_ceil(16);
    let rows = 16 * tiles;
    [false, true].map(|backward| {
        if !head.is_multiple_of(16) || head > 128 {
            return None;
        }
        let span = if backward && head <= 32 && tiles > 4 { 2 } else { 1 };
        // As few rounds of at most 8 warps as it takes.
        let groups = tiles.div_ceil(span);
        let warps = groups.div_ceil(groups.div_ceil(8));
        let row = 2 * (head + 8);
        let own = if backward { warps * (16 * row + 3 * head * 4) + 8 * rows } else { 0 };
        let memory = (if backward { 4 } else { 3 }) * rows * row + own;
        if memory > traits.block_memory {
            return None;
        }
        // A block takes 1 KiB more than it asks for. Each of the 4 parts of a multiprocessor has registers for 4 warps of 128.
        let blocks = if backward {
            ((traits.block_memory + 1024) / (memory + 1024)).min(4 / warps.div_ceil(4)).max(1)
        } else {
            1
        };
        Some(Share { span, warps, memory, blocks })
    })
}

impl Attention {
    /// The kernels for `heads` heads of `head` numbers.
    ///
    /// # Errors
    /// When no kernel has room for them.
    pub fn new(
        gpu: &dyn Gpu,
        storage: Storage,
        tokens: usize,
        heads: usize,
        head: usize,
    ) -> Result<Self> {
        let constants = [("TOKENS", tokens), ("HEAD", head), ("HEADS", heads)];
        let shares =
            if storage.activations_f32 { [None; 2] } else { shares(gpu.traits(), tokens, head) };
        let mut fast = None;
        if shares.iter().any(Option::is_some) {
            let names = [
                ["SPAN_FORWARD", "WARPS_FORWARD", "BLOCKS_FORWARD"],
                ["SPAN_BACKWARD", "WARPS_BACKWARD", "BLOCKS_BACKWARD"],
            ];
            let mut source = Source::attention().with(&constants);
            for (share, [span, warps, blocks]) in shares.iter().zip(names) {
                // A kernel that is not used is compiled with what any GPU has room for.
                let share = share.unwrap_or(Share { span: 1, warps: 1, memory: 0, blocks: 1 });
                source = source.with(&[
                    (span, share.span),
                    (warps, share.warps),
                    (blocks, share.blocks),
                ]);
            }
            fast = Some(gpu.load(&source.stored(storage))?);
        }
        let mut plain = None;
        if shares.iter().any(Option::is_none) {
            let most = gpu.traits().block_memory;
            if plain_memory(tokens, head).iter().any(|&memory| memory > most) || head > LARGEST_HEAD
            {
                let message = format!(
                    "{tokens} tokens with heads of {head} numbers do not fit into a block's {most} bytes of this GPU: take larger patches, \
                     smaller images or more heads"
                );
                return Err(Error::Unsupported(message));
            }
            plain = Some(gpu.load(&Source::attention_plain().with(&constants).stored(storage))?);
        }
        let of = |i: usize, name| {
            if let Some(share) = shares[i] {
                let kernel = fast.expect("loaded").get(name);
                return Sized { kernel, threads: 32 * share.warps, memory: share.memory };
            }
            let kernel = plain.expect("loaded").get(name);
            Sized { kernel, threads: 32 * PLAIN_WARPS, memory: plain_memory(tokens, head)[i] }
        };
        Ok(Self { forward: of(0, "attention_forward"), backward: of(1, "attention_backward") })
    }
}

/// Bytes of shared memory of the plain kernels.
fn plain_memory(tokens: usize, head: usize) -> [usize; 2] {
    [4 * PLAIN_WARPS * (tokens + head), 4 * (tokens + PLAIN_WARPS * (2 * tokens + 5 * head))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(block_memory: usize) -> Traits {
        Traits {
            name: String::new(),
            capability: 80,
            multiprocessors: 1,
            block_memory,
            versions: String::new(),
        }
    }

    #[test]
    fn small_blocks_have_no_room_for_the_backward_pass_of_vit_b() {
        let of = |block_memory| shares(&traits(block_memory), 197, 64).map(|share| share.is_some());
        assert_eq!(of(227 << 10), [true, true]);
        assert_eq!(of(163 << 10), [true, true]);
        assert_eq!(of(99 << 10), [true, false]);
        assert_eq!(shares(&traits(227 << 10), 197, 24), [None, None], "no multiple of 16");
    }

    #[test]
    fn tiles_are_shared_evenly() {
        let [forward, backward] = shares(&traits(227 << 10), 197, 32).map(Option::unwrap);
        // 13 tiles: two rounds of 7 warps; 7 pairs of tiles.
        assert_eq!((forward.span, forward.warps), (1, 7));
        assert_eq!((backward.span, backward.warps), (2, 7));
    }
}
