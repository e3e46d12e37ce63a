//! Images a second that training reads in random order from data sets beyond memory: `random_reads IMAGES FOLDER...`, each an image folder
//! or one of Parquet shards. Every image is read, decoded and resized to 224 px.
//!
//! The folders take turns in five rounds, on one thread and on two; each line gives the median of the rounds and their range.

use std::{
    error::Error,
    io::{Write, stdout},
    path::Path,
    time::Instant,
};

use engine::data::Index;
use rayon::prelude::*;
use shared::{
    api::{Layout, Split},
    dataset::{DataSource, FolderSource},
    stream::{Purpose, shuffle, stream},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const SIDE: usize = 224;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [images, folders @ ..] = &arguments[..] else {
        return Err("random_reads IMAGES FOLDER...".into());
    };
    let images: usize = images.parse()?;
    let sets = folders.iter().map(|folder| open(folder)).collect::<Result<Vec<_>, _>>()?;
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let mut speeds = vec![Vec::new(); sets.len()];
        for round in 0..ROUNDS {
            for (set, speeds) in sets.iter().zip(&mut speeds) {
                let mut order: Vec<usize> = (0..set.entries(Split::Train).len()).collect();
                shuffle(&mut stream(1, Purpose::Order, round as u64, 0), &mut order);
                order.truncate(images);
                let began = Instant::now();
                pool.install(|| {
                    order.par_iter().try_for_each(|&at| set.load(Split::Train, at, SIDE).map(drop))
                })?;
                speeds.push(order.len() as f64 / began.elapsed().as_secs_f64());
            }
        }
        for (folder, mut speeds) in folders.iter().zip(speeds) {
            speeds.sort_by(f64::total_cmp);
            let (least, median, most) = (speeds[0], speeds[ROUNDS / 2], speeds[ROUNDS - 1]);
            let range = format!("{least:.0} to {most:.0}");
            writeln!(stdout(), "{folder}, threads {threads}: {median:.0} images/s ({range})")?;
        }
    }
    Ok(())
}

fn open(folder: &str) -> Result<Index, Box<dyn Error>> {
    let mut names = Path::new(folder).read_dir()?.filter_map(Result::ok);
    let is_shard = |name: &Path| name.extension().is_some_and(|end| end == "parquet");
    let sharded = names.any(|entry| is_shard(&entry.path()));
    let layout = if sharded { Layout::Parquet } else { Layout::ImageFolder };
    let path = folder.to_owned();
    Ok(Index::open(&DataSource::Folder(FolderSource { path, layout, ..Default::default() }))?)
}
