//! Writes the built-in key images into the given folder, such as `assets/keys`.

use std::{env, error::Error, fs, path::PathBuf};

use engine::{decode::encode_png, keys::draw};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).map(PathBuf::from).ok_or("give the folder to write to")?;
    for (id, key) in draw::all() {
        fs::write(folder.join(format!("{id}.png")), encode_png(&key))?;
    }
    Ok(())
}
