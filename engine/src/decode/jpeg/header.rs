//! What stands before the pixels of a baseline file (ITU-T T.81, annex B).

use std::{cell::RefCell, rc::Rc};

use super::{
    huffman::{AcTable, DcTable, Spec},
    known::Known,
};

/// Coefficients of a block.
pub(super) const BLOCK: usize = 64;

/// Row and column of each coefficient, as they follow each other in a file (T.81, figure A.6), as places in a block by rows.
pub(super) const ZIGZAG: [u8; BLOCK] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// A baseline image, or an extended one of eight bits, with all of its components in one scan.
pub(super) struct Header<'a> {
    pub width: usize,
    pub height: usize,
    /// Grey, or Y, Cb and Cr.
    pub components: Vec<Component>,
    pub dc: [Option<Rc<DcTable>>; TABLES],
    pub ac: [Option<Rc<AcTable>>; TABLES],
    /// Units between two restarts; 0 for none.
    pub restart: usize,
    /// Entropy-coded bytes, and what follows them.
    pub scan: &'a [u8],
}

/// A component, and what it is coded by.
pub(super) struct Component {
    /// Blocks of a unit, side by side and one above the other.
    pub across: usize,
    pub down: usize,
    /// Steps of quantisation: what each coefficient is multiplied by, in a block by rows.
    pub steps: [i32; BLOCK],
    /// Which Huffman tables.
    pub dc: usize,
    pub ac: usize,
}

const TABLES: usize = 4;

thread_local! {
    static DC_TABLES: RefCell<Known<DcTable>> = RefCell::default();
    static AC_TABLES: RefCell<Known<AcTable>> = RefCell::default();
}

/// A component as the frame header tells it.
#[derive(Clone, Copy)]
struct Declared {
    name: u8,
    across: usize,
    down: usize,
    steps: usize,
}

/// What has been read so far.
#[derive(Default)]
struct Seen<'a> {
    steps: [Option<[i32; BLOCK]>; TABLES],
    dc: [Option<Spec<'a>>; TABLES],
    ac: [Option<Spec<'a>>; TABLES],
    restart: usize,
    jfif: bool,
    /// Adobe's number of a colour transform.
    adobe: Option<u8>,
    frame: Option<(usize, usize, Vec<Declared>)>,
}

/// Reads the markers up to the first scan; nothing where the file is not one that [`Header`] describes.
pub(super) fn read(bytes: &[u8]) -> Option<Header<'_>> {
    let mut seen = Seen::default();
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (&marker, after) = rest.strip_prefix(&[0xff])?.split_first()?;
        if marker == 0xff {
            rest = &rest[1..]; // a fill byte
            continue;
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk()?));
        let segment = after.get(2..length)?;
        rest = &after[length..];
        match marker {
            0xdb => seen.quantisation(segment)?,
            0xc4 => seen.huffman(segment)?,
            0xc0 | 0xc1 => seen.frame(segment)?,
            0xdd => seen.restart = usize::from(u16::from_be_bytes(segment.try_into().ok()?)),
            0xda => return seen.scan(segment, rest),
            // Shorter ones count for nothing.
            0xe0 if segment.len() >= 14 => seen.jfif |= segment.starts_with(b"JFIF\0"),
            0xee if segment.len() >= 12 && segment.starts_with(b"Adobe") => {
                seen.adobe = Some(segment[11]);
            }
            0xe1..=0xef | 0xfe => {}
            _ => return None,
        }
    }
}

impl<'a> Seen<'a> {
    fn quantisation(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&which, rest)) = segment.split_first() {
            // A table beyond the fourth; or an upper half other than 0, which means steps of two bytes.
            let table = self.steps.get_mut(usize::from(which))?;
            let (steps, rest) = rest.split_at_checked(BLOCK)?;
            let to = table.insert([0; BLOCK]);
            steps.iter().zip(ZIGZAG).for_each(|(&step, at)| to[usize::from(at)] = i32::from(step));
            segment = rest;
        }
        Some(())
    }

    fn huffman(&mut self, mut segment: &'a [u8]) -> Option<()> {
        while let Some((&which, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let all = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(all)?;
            let tables = if which >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(which & 15)).filter(|_| which >> 4 < 2)? =
                Some(Spec { counts, symbols });
            segment = rest;
        }
        Some(())
    }

    fn frame(&mut self, segment: &[u8]) -> Option<()> {
        let (&[bits, h1, h0, w1, w0, count], components) = segment.split_first_chunk::<6>()?;
        let (height, width) = (u16::from_be_bytes([h1, h0]), u16::from_be_bytes([w1, w0]));
        let (components, beyond) = components.as_chunks::<3>();
        let whole = beyond.is_empty() && components.len() == usize::from(count);
        if bits != 8 || height == 0 || width == 0 || !whole || self.frame.is_some() {
            return None;
        }
        let declared = components.iter().map(|&[name, factors, steps]| Declared {
            name,
            across: usize::from(factors >> 4),
            down: usize::from(factors & 15),
            steps: usize::from(steps),
        });
        self.frame = Some((usize::from(width), usize::from(height), declared.collect()));
        Some(())
    }

    /// Whether three components are Y, Cb and Cr without a doubt; libjpeg takes some others for that, too.
    fn is_ycbcr(&self, components: &[Declared]) -> bool {
        let numbered = components.iter().map(|component| component.name).eq(1..=3);
        self.jfif || self.adobe.map_or(numbered, |transform| transform == 1)
    }

    fn scan(self, segment: &[u8], scan: &'a [u8]) -> Option<Header<'a>> {
        let (width, height, declared) = self.frame.as_ref()?;
        let (&count, rest) = segment.split_first()?;
        let (chosen, rest) = rest.as_chunks::<2>().0.split_at_checked(usize::from(count))?;
        // The scan has all coefficients, and the frame's components in their order.
        let names = declared.iter().map(|component| component.name);
        let in_order = names.eq(chosen.iter().map(|&[name, _]| name));
        if !in_order || rest != [[0, BLOCK as u8 - 1]] || segment.last() != Some(&0) {
            return None;
        }
        let factors: Vec<_> = declared.iter().map(|c| (c.across, c.down)).collect();
        match factors[..] {
            [(1..=4, 1..=4)] => {}
            [(1, 1) | (2, 1 | 2), (1, 1), (1, 1)] if self.is_ycbcr(declared) => {}
            _ => return None,
        }
        let components = declared.iter().zip(chosen).map(|(declared, &[_, tables])| {
            // A scan of one component goes block by block.
            let (across, down) = if count == 1 { (1, 1) } else { (declared.across, declared.down) };
            let steps = (*self.steps.get(declared.steps)?)?;
            let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            Some(Component { across, down, steps, dc, ac })
        });
        let components = components.collect::<Option<Vec<_>>>()?;
        let mut header = Header {
            width: *width,
            height: *height,
            components,
            dc: Default::default(),
            ac: Default::default(),
            restart: self.restart,
            scan,
        };
        for &Component { dc, ac, .. } in &header.components {
            if header.dc.get(dc)?.is_none() {
                header.dc[dc] =
                    Some(DC_TABLES.with_borrow_mut(|known| known.get(self.dc[dc]?, DcTable::new))?);
            }
            if header.ac.get(ac)?.is_none() {
                header.ac[ac] =
                    Some(AC_TABLES.with_borrow_mut(|known| known.get(self.ac[ac]?, AcTable::new))?);
            }
        }
        Some(header)
    }
}
