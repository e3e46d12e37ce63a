//! Between the host's memory and the GPU's without a wait for the work before: by way of pinned memory, which the GPU copies by itself.

use cudarc::driver::{
    result::{self, event},
    sys::{self, CUevent_flags},
};

use super::driver;
use crate::{
    Result,
    gpu::{Address, Fetched},
};

/// Places that are written in turns, and places that numbers come back to.
const PLACES: usize = 4;

/// Pinned memory in a few places.
#[derive(Default)]
pub(super) struct Staging {
    out: [Place; PLACES],
    back: [Place; PLACES],
    next_out: usize,
    next_back: usize,
}

#[derive(Default)]
struct Place {
    memory: usize,
    bytes: usize,
    /// Behind the last copy.
    copied: Option<usize>,
}

impl Place {
    /// Waits until its last copy is done, and makes room for `bytes` bytes.
    #[expect(unsafe_code, reason = "calls of the driver")]
    fn make_room(&mut self, bytes: usize) -> Result<()> {
        let failed = driver("pinned memory cannot be taken");
        self.wait()?;
        if self.bytes >= bytes {
            return Ok(());
        }
        // SAFETY: the memory is this place's own, and no copy of it is on its way.
        unsafe {
            if self.memory != 0 {
                result::free_host(self.memory as *mut _).map_err(&failed)?;
                (self.memory, self.bytes) = (0, 0);
            }
            self.memory = result::malloc_host(bytes, 0).map_err(&failed)? as usize;
        }
        self.bytes = bytes;
        Ok(())
    }

    #[expect(unsafe_code, reason = "a call of the driver")]
    fn wait(&self) -> Result<()> {
        match self.copied {
            // SAFETY: the event is this place's own.
            Some(copied) => unsafe { event::synchronize(copied as sys::CUevent) }
                .map_err(driver("the GPU's work failed")),
            None => Ok(()),
        }
    }

    /// Marks the end of the copy that was just issued.
    #[expect(unsafe_code, reason = "calls of the driver")]
    fn mark(&mut self, stream: sys::CUstream) -> Result<()> {
        let failed = driver("a copy cannot be marked");
        let copied = match self.copied {
            Some(copied) => copied as sys::CUevent,
            None => event::create(CUevent_flags::CU_EVENT_DISABLE_TIMING).map_err(&failed)?,
        };
        self.copied = Some(copied as usize);
        // SAFETY: event and stream are of this device.
        unsafe { event::record(copied, stream) }.map_err(failed)
    }

    #[expect(unsafe_code, reason = "calls of the driver")]
    fn free(self) {
        // SAFETY: they were made here, and nothing uses them any more.
        unsafe {
            if self.memory != 0 {
                let _ = result::free_host(self.memory as *mut _);
            }
            if let Some(copied) = self.copied {
                let _ = event::destroy(copied as sys::CUevent);
            }
        }
    }
}

impl Staging {
    /// Copies pieces to an address behind all work so far. They may change as soon as this returns.
    #[expect(unsafe_code, reason = "a copy to pinned memory, and from there")]
    pub fn write(&mut self, stream: sys::CUstream, to: Address, pieces: &[&[u8]]) -> Result<()> {
        let bytes = pieces.iter().map(|piece| piece.len()).sum();
        if bytes == 0 {
            return Ok(());
        }
        let place = &mut self.out[self.next_out];
        self.next_out = (self.next_out + 1) % PLACES;
        place.make_room(bytes)?;
        // SAFETY: the place has room, and its last copy is done.
        unsafe {
            let pinned = std::slice::from_raw_parts_mut(place.memory as *mut u8, bytes);
            let mut rest = &mut pinned[..];
            for piece in pieces {
                let (part, behind) = rest.split_at_mut(piece.len());
                part.copy_from_slice(piece);
                rest = behind;
            }
            result::memcpy_htod_async(to, pinned, stream)
                .map_err(driver("memory cannot be written"))?;
        }
        place.mark(stream)
    }

    /// Has a number copied to the host behind all work so far.
    #[expect(unsafe_code, reason = "a copy to pinned memory")]
    pub fn fetch(&mut self, stream: sys::CUstream, from: Address) -> Result<Fetched> {
        let number = self.next_back;
        self.next_back = (number + 1) % PLACES;
        let place = &mut self.back[number];
        place.make_room(size_of::<f32>())?;
        // SAFETY: the place has room, and its last copy is done.
        unsafe {
            let pinned = std::slice::from_raw_parts_mut(place.memory as *mut u8, size_of::<f32>());
            result::memcpy_dtoh_async(pinned, from, stream)
                .map_err(driver("memory cannot be read"))?;
        }
        place.mark(stream)?;
        Ok(Fetched(number))
    }

    /// Waits for a number, which is there until the place is used again.
    #[expect(unsafe_code, reason = "a read of pinned memory")]
    pub fn fetched(&mut self, Fetched(number): Fetched) -> Result<f32> {
        let place = &self.back[number];
        place.wait()?;
        // SAFETY: the copy is done; the memory is aligned for any number.
        Ok(unsafe { std::ptr::read(place.memory as *const f32) })
    }

    /// Gives everything back; no copy may be on its way.
    pub fn free(&mut self) {
        let Self { out, back, .. } = std::mem::take(self);
        out.into_iter().chain(back).for_each(Place::free);
    }
}
