//! From the host's memory to the GPU's, without a wait for the work before: by way of pinned memory, which the GPU copies from by itself.

use cudarc::driver::{
    result::{self, event},
    sys::{self, CUevent_flags},
};

use super::driver;
use crate::{Result, gpu::Address};

/// Places that are written in turns.
const PLACES: usize = 4;

/// Pinned memory in a few places.
#[derive(Default)]
pub(super) struct Staging {
    places: [Place; PLACES],
    next: usize,
}

#[derive(Default)]
struct Place {
    memory: usize,
    bytes: usize,
    /// Behind the last copy from it.
    copied: Option<usize>,
}

impl Staging {
    /// Copies bytes to an address behind all work so far. They may change as soon as this returns.
    #[expect(unsafe_code, reason = "calls of the driver, and a copy to pinned memory")]
    pub fn write(&mut self, stream: sys::CUstream, to: Address, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let failed = driver("memory cannot be written");
        let place = &mut self.places[self.next];
        self.next = (self.next + 1) % PLACES;
        // SAFETY: events and memory are this place's own. It is written only after the last copy from it is done; the copy's event is
        // recorded behind it.
        unsafe {
            if let Some(copied) = place.copied {
                event::synchronize(copied as sys::CUevent).map_err(&failed)?;
            }
            if place.bytes < bytes.len() {
                if place.memory != 0 {
                    result::free_host(place.memory as *mut _).map_err(&failed)?;
                    *place = Place { copied: place.copied, ..Place::default() };
                }
                place.memory = result::malloc_host(bytes.len(), 0).map_err(&failed)? as usize;
                place.bytes = bytes.len();
            }
            let pinned = std::slice::from_raw_parts_mut(place.memory as *mut u8, bytes.len());
            pinned.copy_from_slice(bytes);
            result::memcpy_htod_async(to, pinned, stream).map_err(&failed)?;
            let copied = match place.copied {
                Some(copied) => copied as sys::CUevent,
                None => event::create(CUevent_flags::CU_EVENT_DISABLE_TIMING).map_err(&failed)?,
            };
            place.copied = Some(copied as usize);
            event::record(copied, stream).map_err(&failed)
        }
    }

    /// Gives everything back; no copy may be on its way.
    #[expect(unsafe_code, reason = "calls of the driver")]
    pub fn free(&mut self) {
        for place in std::mem::take(&mut self.places) {
            // SAFETY: they were made by `write`.
            unsafe {
                if place.memory != 0 {
                    let _ = result::free_host(place.memory as *mut _);
                }
                if let Some(copied) = place.copied {
                    let _ = event::destroy(copied as sys::CUevent);
                }
            }
        }
    }
}
