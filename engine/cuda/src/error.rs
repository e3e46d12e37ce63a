//! What can go wrong on a GPU, each in a sentence for whoever started the run.

/// A failure of a GPU, or of what it needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A library, the driver or a device is not there.
    #[error("{0}")]
    Missing(String),
    /// The GPU or the model is not one that these kernels serve.
    #[error("{0}")]
    Unsupported(String),
    /// The device's memory is full.
    #[error(
        "{} more do not fit: {} of {} of the GPU's memory are free, this run has {}. Take a smaller batch with more accumulated \
         batches, a smaller model, or a GPU with more memory",
        gib(*.needed), gib(*.free), gib(*.total), gib(*.ours)
    )]
    OutOfMemory {
        /// Bytes that were asked for.
        needed: u64,
        /// Bytes that the device has left.
        free: u64,
        /// Bytes of the device.
        total: u64,
        /// Bytes that this process holds on it.
        ours: u64,
    },
    /// The device has no memory left for what every run needs before its model: another program fills it.
    #[error(
        "{what}: the GPU's memory is full. nvidia-smi lists the programs that use it: wait for them, or take another device"
    )]
    Full {
        /// What was tried.
        what: &'static str,
    },
    /// A kernel does not compile.
    #[error("the kernels in {file} do not compile: {log}")]
    Compile {
        /// Name of the kernel file.
        file: String,
        /// What the compiler says.
        log: String,
    },
    /// A call into one of NVIDIA's libraries fails.
    #[error("{what}: {message}")]
    Call {
        /// What was tried.
        what: &'static str,
        /// What the library says.
        message: String,
    },
    /// Another rank of a run on several GPUs ended.
    #[error("{0}")]
    Rank(String),
}

/// The result of work on a GPU.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Bytes as text.
pub(crate) fn gib(bytes: u64) -> String {
    format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_full_is_told_in_numbers() {
        let gib = 1 << 30;
        let error =
            Error::OutOfMemory { needed: gib / 2, free: gib / 4, total: 80 * gib, ours: 70 * gib };
        let text = error.to_string();
        assert!(
            text.starts_with(
                "0.50 GiB more do not fit: 0.25 GiB of 80.00 GiB of the GPU's memory are free"
            ),
            "{text}"
        );
    }
}
