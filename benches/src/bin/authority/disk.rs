//! What the disk alone can do: the bound of everything that has to be kept.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How many times a second 4 KiB can be appended to a file in `folder` and be on the disk.
pub(crate) fn synced_appends(folder: &Path, time: Duration) -> io::Result<f64> {
    let path = folder.join("appended");
    let mut file = File::create(&path)?;
    let began = Instant::now();
    let mut appends = 0_u32;
    while began.elapsed() < time {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        appends = appends.saturating_add(1);
    }
    let elapsed = began.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(f64::from(appends) / elapsed)
}
