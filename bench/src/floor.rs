//! The floor: the least that a backup of these bytes can cost, as a tool like any other.
//!
//! *Does*: reads each file, cuts it, names each chunk by its hash, and writes the chunks one behind the other
//! into a file of the same name: the kernels and parameters of the repository, each once a byte, on one
//! thread, without packs, index, threads or durability. `--compress` adds the codec. Restoring reads,
//! decompresses, verifies and writes; checking does not write.
//!
//! *Memory*: one buffer of twice the longest chunk.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use cairn_repository::chunking::{Chunker, ChunkingParams};
use cairn_repository::codec::Codec;
use cairn_repository::compressor::Compressor;
use cairn_repository::config::Compression;
use cairn_repository::decompressor::{Decompressor, open_chunk};
use cairn_repository::pack::{ChunkKind, ChunkLocation};
use cairn_repository::{ChunkId, PackId, Sealer};

use crate::cli::FloorOptions;
use crate::tree::walk;

/// Runs what was asked for.
pub fn run(options: &FloorOptions) -> Result<()> {
    let target = options.target.as_deref();
    match (options.restore, options.check, target) {
        (true, _, Some(target)) => each_file(&options.source, Some(target), &mut Opener::new()),
        (_, true, _) => each_file(&options.source, None, &mut Opener::new()),
        (.., Some(target)) => {
            let compression = if options.compress { Compression::Auto } else { Compression::Off };
            each_file(&options.source, Some(target), &mut Cutter::new(compression))
        }
        (.., None) => anyhow::bail!("no target"),
    }
}

/// What is done to the bytes of a file.
trait Step {
    fn file(&mut self, from: &mut File, to: &mut dyn Write) -> Result<()>;
}

fn each_file(from: &Path, to: Option<&Path>, step: &mut dyn Step) -> Result<()> {
    if let Some(to) = to {
        fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    }
    walk(from, &mut |entry| {
        let path = entry.path();
        let target = match to {
            Some(to) => Some(to.join(path.strip_prefix(from)?)),
            None => None,
        };
        let kind = entry.file_type()?;
        match target {
            Some(target) if kind.is_dir() => fs::create_dir_all(&target)?,
            Some(target) if kind.is_file() => {
                // Chunks are longer than the buffer and pass it by; only frame headers are gathered.
                let mut writer = BufWriter::new(File::create(&target)?);
                step.file(&mut File::open(&path)?, &mut writer)?;
                writer.flush()?;
            }
            None if kind.is_file() => step.file(&mut File::open(&path)?, &mut io::sink())?,
            _ => {}
        }
        Ok(())
    })
}

/// Length of a frame's header: id, length, stored length, codec.
const HEADER_BYTES: usize = 32 + 4 + 4 + 1;

struct Cutter {
    chunker: Chunker,
    compressor: Compressor,
    buffer: Vec<u8>,
}

impl Cutter {
    fn new(compression: Compression) -> Self {
        let params = ChunkingParams::SEGMENTS;
        Self {
            chunker: Chunker::new(params),
            compressor: Compressor::new(compression),
            buffer: vec![0; 2 * params.max() as usize],
        }
    }
}

impl Step for Cutter {
    fn file(&mut self, from: &mut File, to: &mut dyn Write) -> Result<()> {
        let Self { chunker, compressor, buffer } = self;
        let (mut end, mut is_last) = (0, false);
        while !is_last {
            is_last = !fill(from, buffer, &mut end)?;
            let mut start = 0;
            while let Some(window) = buffer.get(start..end)
                && let Some(cut) = chunker.next_cut(window, is_last)
            {
                let chunk = window.get(..cut).unwrap_or(window);
                write_frame(compressor, chunk, to)?;
                start += chunk.len();
            }
            buffer.copy_within(start..end, 0);
            end -= start;
        }
        Ok(())
    }
}

/// Reads until the buffer is full; false at the end of the file.
fn fill(from: &mut File, buffer: &mut [u8], end: &mut usize) -> io::Result<bool> {
    while let Some(free) = buffer.get_mut(*end..).filter(|free| !free.is_empty()) {
        match from.read(free)? {
            0 => return Ok(false),
            read => *end += read,
        }
    }
    Ok(true)
}

fn write_frame(compressor: &mut Compressor, chunk: &[u8], to: &mut dyn Write) -> Result<()> {
    let id = ChunkId::of(chunk);
    let (codec, stored) = compressor.encode(chunk)?;
    to.write_all(id.as_bytes())?;
    to.write_all(&u32::try_from(chunk.len())?.to_le_bytes())?;
    to.write_all(&u32::try_from(stored.len())?.to_le_bytes())?;
    to.write_all(&[codec as u8])?;
    to.write_all(stored)?;
    Ok(())
}

struct Opener {
    decompressor: Decompressor,
    buffer: Vec<u8>,
}

impl Opener {
    fn new() -> Self {
        Self { decompressor: Decompressor::new(&Sealer::plain()), buffer: Vec::new() }
    }
}

impl Step for Opener {
    fn file(&mut self, from: &mut File, to: &mut dyn Write) -> Result<()> {
        loop {
            let mut header = [0; HEADER_BYTES];
            let read = from.read(&mut header)?;
            if read == 0 {
                return Ok(());
            }
            from.read_exact(header.get_mut(read..).unwrap_or_default())?;
            let (id, location) = parse_header(&header).context("no header of a frame")?;
            let mut stored = std::mem::take(&mut self.buffer);
            stored.clear();
            from.take(location.stored_len.into()).read_to_end(&mut stored)?;
            ensure!(stored.len() == location.stored_len as usize, "the last frame is cut off");
            let stored = Bytes::from(stored);
            let plain = open_chunk(&mut self.decompressor, &id, &location, &stored)?;
            to.write_all(&plain)?;
            // The plaintext may share the buffer, which is taken back when nobody else has it.
            drop(plain);
            self.buffer = stored.into();
        }
    }
}

fn parse_header(header: &[u8; HEADER_BYTES]) -> Option<(ChunkId, ChunkLocation)> {
    let (&id, lengths) = header.split_first_chunk::<32>()?;
    let &[r0, r1, r2, r3, s0, s1, s2, s3, codec] = lengths else { return None };
    let location = ChunkLocation {
        pack: PackId::from_bytes([0; 32]),
        offset: 0,
        stored_len: u32::from_le_bytes([s0, s1, s2, s3]),
        raw_len: u32::from_le_bytes([r0, r1, r2, r3]),
        codec: Codec::from_number(codec)?,
        kind: ChunkKind::Segment,
    };
    Some((ChunkId::from_bytes(id), location))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::tree;

    fn options(source: &Path, target: Option<&Path>) -> FloorOptions {
        FloorOptions {
            restore: false,
            check: false,
            compress: false,
            source: source.to_owned(),
            target: target.map(Path::to_owned),
        }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let place = tempfile::tempdir().unwrap();
        let [source, stored, packed, back] =
            ["source", "stored", "packed", "back"].map(|name| place.path().join(name));
        fs::create_dir_all(source.join("a/b")).unwrap();
        fs::write(source.join("a/b/pages"), Content::Pages.bytes(1, 10 << 20)).unwrap();
        fs::write(source.join("a/rows"), Content::Csv.bytes(1, 300_000)).unwrap();
        fs::write(source.join("empty"), "").unwrap();
        run(&options(&source, Some(&stored))).unwrap();
        run(&FloorOptions { compress: true, ..options(&source, Some(&packed)) }).unwrap();
        for repository in [&stored, &packed] {
            run(&FloorOptions { restore: true, ..options(repository, Some(&back)) }).unwrap();
            assert!(tree::is_same(&source, &back).unwrap());
            run(&FloorOptions { check: true, ..options(repository, None) }).unwrap();
        }
        let bytes = |root: &Path| tree::extent(root).unwrap().bytes;
        assert!(bytes(&stored) > bytes(&source));
        assert!(bytes(&packed) < bytes(&source) * 9 / 10);
    }

    #[test]
    fn a_flipped_byte_is_found() {
        let place = tempfile::tempdir().unwrap();
        let (source, stored) = (place.path().join("source"), place.path().join("stored"));
        fs::create_dir(&source).unwrap();
        fs::write(source.join("file"), "some bytes").unwrap();
        run(&options(&source, Some(&stored))).unwrap();
        let mut bytes = fs::read(stored.join("file")).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(stored.join("file"), bytes).unwrap();
        assert!(run(&FloorOptions { check: true, ..options(&stored, None) }).is_err());
    }
}
