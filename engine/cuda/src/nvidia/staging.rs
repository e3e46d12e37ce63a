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

/// Places that are written in turns.
const PLACES: usize = 4;
/// Bytes that one place takes at most: what is larger goes through several, so that pinned memory stays small.
const MOST: usize = 64 << 20;

/// Pinned memory in a few places.
#[derive(Default)]
pub(super) struct Staging {
    out: [Place; PLACES],
    next_out: usize,
    /// Places that bytes come back to.
    back: Vec<Place>,
    /// Those of them that nobody asks for.
    free: Vec<usize>,
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
    pub fn write(&mut self, stream: sys::CUstream, to: Address, pieces: &[&[u8]]) -> Result<()> {
        let mut to = to;
        for part in parts(pieces, MOST) {
            self.write_part(stream, to, &part)?;
            to += part.iter().map(|piece| piece.len()).sum::<usize>() as u64;
        }
        Ok(())
    }

    #[expect(unsafe_code, reason = "a copy to pinned memory, and from there")]
    fn write_part(&mut self, stream: sys::CUstream, to: Address, pieces: &[&[u8]]) -> Result<()> {
        let bytes = pieces.iter().map(|piece| piece.len()).sum();
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

    /// Has bytes copied to the host behind all work so far.
    #[expect(unsafe_code, reason = "a copy to pinned memory")]
    pub fn fetch(&mut self, stream: sys::CUstream, from: Address, bytes: usize) -> Result<Fetched> {
        let number = self.free.pop().unwrap_or_else(|| {
            self.back.push(Place::default());
            self.back.len() - 1
        });
        let place = &mut self.back[number];
        place.make_room(bytes)?;
        // SAFETY: the place has room, and its last copy is done.
        unsafe {
            let pinned = std::slice::from_raw_parts_mut(place.memory as *mut u8, bytes);
            result::memcpy_dtoh_async(pinned, from, stream)
                .map_err(driver("memory cannot be read"))?;
        }
        place.mark(stream)?;
        Ok(Fetched(number))
    }

    /// Waits for bytes, and frees their place.
    #[expect(unsafe_code, reason = "a read of pinned memory")]
    pub fn fetched(&mut self, Fetched(number): Fetched, to: &mut [u8]) -> Result<()> {
        let place = &self.back[number];
        place.wait()?;
        assert!(to.len() <= place.bytes, "as many bytes as were fetched");
        // SAFETY: the copy is done, and the place has that many bytes.
        to.copy_from_slice(unsafe {
            std::slice::from_raw_parts(place.memory as *const u8, to.len())
        });
        self.free.push(number);
        Ok(())
    }

    /// Frees the place of bytes that nobody asks for: who takes it waits for their copy.
    pub fn unwanted(&mut self, Fetched(number): Fetched) {
        self.free.push(number);
    }

    /// Gives everything back; no copy may be on its way.
    pub fn free(&mut self) {
        let Self { out, back, .. } = std::mem::take(self);
        out.into_iter().chain(back).for_each(Place::free);
    }
}

/// Pieces in the same order in parts of at most `most` bytes, cut where a part is full.
fn parts<'a>(pieces: &[&'a [u8]], most: usize) -> Vec<Vec<&'a [u8]>> {
    let (mut parts, mut part, mut room) = (Vec::new(), Vec::new(), most);
    for mut rest in pieces.iter().copied().filter(|piece| !piece.is_empty()) {
        while !rest.is_empty() {
            let (taken, behind) = rest.split_at(rest.len().min(room));
            part.push(taken);
            (rest, room) = (behind, room - taken.len());
            if room == 0 {
                parts.push(std::mem::take(&mut part));
                room = most;
            }
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn large_writes_go_in_parts() {
        let pieces: [&[u8]; 4] = [&[1, 2], &[], &[3, 4, 5, 6, 7], &[8]];
        assert_eq!(parts(&pieces, 100), [vec![&[1u8, 2][..], &[3, 4, 5, 6, 7], &[8]]]);
        let expected = [vec![&[1u8, 2][..], &[3]], vec![&[4, 5, 6]], vec![&[7], &[8]]];
        assert_eq!(parts(&pieces, 3), expected);
        assert!(parts(&[], 3).is_empty() && parts(&[&[]], 3).is_empty());
    }
}
