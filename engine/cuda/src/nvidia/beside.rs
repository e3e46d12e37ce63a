//! A second stream, for work that runs beside that of the first: sums over several GPUs behind a backward pass that goes on.

use std::sync::Arc;

use cudarc::driver::{
    CudaContext, CudaStream,
    result::{event, stream},
    sys::{self, CUevent_flags, CUevent_wait_flags},
};

use super::driver;
use crate::{Result, gpu::Stream};

/// The second stream, and the events by which either stream waits for the other. An event may be used again at once: who waits, waits for
/// what it stood for at the call.
pub(super) struct Beside {
    stream: Arc<CudaStream>,
    branched: usize,
    rejoined: usize,
}

impl Beside {
    pub fn new(context: &Arc<CudaContext>) -> Result<Self> {
        let failed = driver("a second stream cannot be made");
        let stream = context.new_stream().map_err(&failed)?;
        let event = || {
            event::create(CUevent_flags::CU_EVENT_DISABLE_TIMING)
                .map(|event| event as usize)
                .map_err(&failed)
        };
        Ok(Self { branched: event()?, rejoined: event()?, stream })
    }

    /// Lets the second stream wait for the first.
    pub fn branch(&self, first: sys::CUstream) -> Result<Stream> {
        wait(self.branched, first, self.stream.cu_stream())?;
        Ok(self.stream.cu_stream() as Stream)
    }

    /// Lets the first stream wait for the second.
    pub fn rejoin(&self, first: sys::CUstream) -> Result<()> {
        wait(self.rejoined, self.stream.cu_stream(), first)
    }

    /// Gives the events back, when nothing of the second stream is at work any more.
    #[expect(unsafe_code, reason = "calls of the driver")]
    pub fn free(&self) {
        let _ = self.stream.synchronize();
        for event in [self.branched, self.rejoined] {
            // SAFETY: it was made here, and its device goes.
            let _ = unsafe { event::destroy(event as sys::CUevent) };
        }
    }
}

/// Lets a stream wait for what another has to do so far.
#[expect(unsafe_code, reason = "calls of the driver")]
fn wait(event: usize, done: sys::CUstream, waits: sys::CUstream) -> Result<()> {
    let failed = driver("a stream cannot wait for another");
    let event = event as sys::CUevent;
    // SAFETY: streams and event are of this device, and live as long as it.
    unsafe {
        event::record(event, done).map_err(&failed)?;
        stream::wait_event(waits, event, CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT).map_err(&failed)
    }
}
