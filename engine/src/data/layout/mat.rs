//! `meta.mat` of ILSVRC's development kit: which number stands for which wnid. It is a MATLAB file of level 5 (*MAT-File
//! Format* by its maker) with an array of structures, of which two fields are read.

use std::{collections::HashMap, io::Read};

use flate2::read::ZlibDecoder;

/// The fields that are read.
const NUMBER: &str = "ILSVRC2012_ID";
const WNID: &str = "WNID";
/// Bytes before the first element.
const HEADER: usize = 128;
/// Most bytes that a compressed element unpacks to.
const UNPACKED: u64 = 16 << 20;

const COMPRESSED: u32 = 15;
const MATRIX: u32 = 14;
const STRUCTURE: u8 = 2;

/// The wnids by number.
///
/// # Errors
/// What is wrong with the file.
pub fn synsets(file: &[u8]) -> Result<HashMap<u32, String>, String> {
    if file.len() < HEADER || !file.starts_with(b"MATLAB 5.0") || &file[126..128] != b"IM" {
        return Err(
            "it is no MATLAB file of level 5; take meta.mat from the development kit".into()
        );
    }
    let mut elements = Elements(&file[HEADER..]);
    while let Some((kind, content)) = elements.next()? {
        let unpacked;
        let matrix = if kind == COMPRESSED {
            let mut bytes = Vec::new();
            ZlibDecoder::new(content)
                .take(UNPACKED)
                .read_to_end(&mut bytes)
                .map_err(|error| format!("it is damaged ({error})"))?;
            if bytes.len() as u64 == UNPACKED {
                return Err("it is too long for a meta.mat of the development kit".into());
            }
            unpacked = bytes;
            match Elements(&unpacked).next()? {
                Some((MATRIX, matrix)) => matrix,
                _ => continue,
            }
        } else if kind == MATRIX {
            content
        } else {
            continue;
        };
        if let Some(found) = of_structures(matrix)? {
            return Ok(found);
        }
    }
    Err(format!(
        "it has no structures with {NUMBER} and {WNID}; take meta.mat from the development kit"
    ))
}

/// The wnids of an array of structures; `None` for another array.
fn of_structures(matrix: &[u8]) -> Result<Option<HashMap<u32, String>>, String> {
    let mut parts = Elements(matrix);
    let (flags, _dimensions, _name) = (parts.expect()?, parts.expect()?, parts.expect()?);
    if flags.1.first() != Some(&STRUCTURE) {
        return Ok(None);
    }
    let length = parts.expect()?.1;
    let length = length.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
    if length == 0 {
        return Err("it is damaged (its fields have no names)".into());
    }
    let names: Vec<String> =
        parts.expect()?.1.chunks(length).map(|name| characters(name.iter().copied())).collect();
    let at = |wanted: &str| names.iter().position(|name| name == wanted);
    let (Some(number), Some(wnid)) = (at(NUMBER), at(WNID)) else { return Ok(None) };
    let mut found = HashMap::new();
    loop {
        let mut fields = Vec::with_capacity(names.len());
        for _ in &names {
            match parts.next()? {
                Some((_, field)) => fields.push(field),
                None if fields.is_empty() => return Ok(Some(found)),
                None => return Err("it is damaged (it ends within a structure)".into()),
            }
        }
        let values = (values(fields[number])?, values(fields[wnid])?);
        if let Some(&number) = values.0.first() {
            found.insert(number as u32, characters(values.1.iter().map(|&value| value as u8)));
        }
    }
}

/// The numbers in these bytes.
fn all<const N: usize>(data: &[u8], number: fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}

/// The numbers of an array of numbers or characters.
fn values(matrix: &[u8]) -> Result<Vec<f64>, String> {
    let mut parts = Elements(matrix);
    let (_flags, _dimensions, _name) = (parts.expect()?, parts.expect()?, parts.expect()?);
    let Some((kind, data)) = parts.next()? else { return Ok(Vec::new()) };
    Ok(match kind {
        1 => all(data, |b: [u8; 1]| i8::from_le_bytes(b).into()),
        2 | 16 => all(data, |b: [u8; 1]| b[0].into()),
        3 => all(data, |b| i16::from_le_bytes(b).into()),
        4 | 17 => all(data, |b| u16::from_le_bytes(b).into()),
        5 => all(data, |b| i32::from_le_bytes(b).into()),
        6 | 18 => all(data, |b| u32::from_le_bytes(b).into()),
        7 => all(data, |b| f32::from_le_bytes(b).into()),
        9 => all(data, f64::from_le_bytes),
        12 => all(data, |b| i64::from_le_bytes(b) as f64),
        13 => all(data, |b| u64::from_le_bytes(b) as f64),
        _ => Vec::new(),
    })
}

/// ASCII text, up to the first zero.
fn characters(bytes: impl Iterator<Item = u8>) -> String {
    bytes.take_while(|&byte| byte != 0).map(char::from).collect()
}

/// The data elements in some bytes: kind and content.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    fn next(&mut self) -> Result<Option<(u32, &'a [u8])>, String> {
        let cut = || "it is damaged (it ends too early)".to_owned();
        let Some((tag, rest)) = self.0.split_first_chunk::<4>() else { return Ok(None) };
        let tag = u32::from_le_bytes(*tag);
        // Up to four bytes lie in the tag itself.
        if tag >> 16 != 0 {
            let (content, rest) = rest.split_at_checked(4).ok_or_else(cut)?;
            self.0 = rest;
            return Ok(Some((tag & 0xffff, content.get(..(tag >> 16) as usize).ok_or_else(cut)?)));
        }
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (content, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        let padding = if tag == COMPRESSED { 0 } else { length.wrapping_neg() % 8 };
        self.0 = rest.get(padding..).unwrap_or_default();
        Ok(Some((tag, content)))
    }

    fn expect(&mut self) -> Result<(u32, &'a [u8]), String> {
        self.next()?.ok_or_else(|| "it is damaged (an array has no content)".into())
    }
}
