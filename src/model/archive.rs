//! Zip archives whose claims are checked before memory is taken for them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive, result::ZipError};

use crate::InputError;

/// Deflate cannot shrink data more than 1032-fold (258 bytes to a quarter byte); a member that claims more is forged.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// One file in an archive.
pub(crate) struct Member {
    /// Path in the archive, with `/`.
    pub name: String,
    /// Length in bytes when unpacked, as claimed; [`Archive::read`] never yields another.
    pub size: u64,
}

/// An open zip archive; members are read one at a time.
pub(crate) struct Archive {
    path: PathBuf,
    members: Vec<Member>,
    index: HashMap<String, usize>,
    zip: Mutex<ZipArchive<BufReader<File>>>,
}

impl Archive {
    /// Reads the central directory of `file`, which was opened from `path`.
    ///
    /// # Errors
    ///
    /// If there is no directory (cut short), a name occurs twice, a member is encrypted or packed by another method
    /// than deflate, or a member claims a size that the length of the file rules out.
    pub fn open(path: &Path, file: File) -> Result<Self, InputError> {
        let length = file.metadata().map_err(|error| InputError::io(path, &error))?.len();
        // Offsets count from the first byte. Where that is left to be found out, a directory is taken to end where the record
        // of its end begins; but PyTorch has 76 bytes of zip64 between, and 76 bytes on a second header may lie.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let mut zip = ZipArchive::with_config(config, BufReader::new(file))
            .map_err(|error| damaged(path, "zip archive", error))?;
        if zip.has_duplicate_names() {
            let remedy = "save it again with one array or tensor of each name";
            return Err(InputError::new(path.display(), "two members of the archive have the same name", remedy));
        }
        let mut members = Vec::new();
        for i in 0..zip.len() {
            let member = zip.by_index_raw(i).map_err(|error| damaged(path, &format!("member {i}"), error))?;
            let name =
                member.name().map_err(|error| damaged(path, &format!("name of member {i}"), error))?.into_owned();
            let (size, packed) = (member.size(), member.compressed_size());
            let bound = match member.compression() {
                CompressionMethod::Stored => Some(packed),
                CompressionMethod::Deflated => Some(packed.saturating_mul(MAX_DEFLATE_RATIO)),
                _ => None,
            };
            let place = format!("{}, member '{name}'", path.display());
            let Some(bound) = bound.filter(|_| !member.encrypted()) else {
                let problem = "is encrypted or packed by another method than deflate";
                return Err(InputError::new(place, problem, "save it again without encryption, stored or deflated"));
            };
            if packed > length || size > bound {
                let problem = format!("claims {size} bytes in an archive of {length} bytes");
                return Err(InputError::new(
                    place,
                    problem,
                    "the archive is damaged or forged: fetch or save it again",
                ));
            }
            members.push(Member { name, size });
        }
        let index = members.iter().enumerate().map(|(i, member)| (member.name.clone(), i)).collect();
        Ok(Self { path: path.into(), members, index, zip: Mutex::new(zip) })
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All members, in the order of the archive's directory.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Position in [`Archive::members`] of the member of that name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The whole of a member, its checksum verified.
    ///
    /// # Errors
    ///
    /// If it is longer than `limit`, or shorter or longer than it claims, or its checksum differs.
    pub fn read(&self, index: usize, limit: u64) -> Result<Vec<u8>, InputError> {
        let Member { name, size } = &self.members[index];
        let place = format!("{}, member '{name}'", self.path.display());
        if *size > limit {
            let problem = format!("is {size} bytes long, more than the {limit} that can belong there");
            return Err(InputError::new(place, problem, "the archive is damaged or forged: fetch or save it again"));
        }
        // One byte more than claimed is asked for: that shows a longer member, and reaches the end, where the
        // checksum is.
        let bytes = self.read_up_to(index, size.saturating_add(1))?;
        if bytes.len() as u64 != *size {
            let problem = format!("unpacks to another length than the {size} bytes it claims");
            return Err(InputError::new(place, problem, "the archive is damaged or forged: fetch or save it again"));
        }
        Ok(bytes)
    }

    /// The first `count` bytes of a member, or all of a shorter one.
    pub fn read_up_to(&self, index: usize, count: u64) -> Result<Vec<u8>, InputError> {
        let what = || format!("member '{}'", self.members[index].name);
        let mut zip = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let member = zip.by_index(index).map_err(|error| damaged(&self.path, &what(), error))?;
        // Grows as data arrive, so that a false claim costs no memory.
        let mut bytes = Vec::new();
        member.take(count).read_to_end(&mut bytes).map_err(|error| damaged(&self.path, &what(), error.into()))?;
        Ok(bytes)
    }
}

fn damaged(path: &Path, what: &str, error: ZipError) -> InputError {
    let place = format!("{}, {what}", path.display());
    InputError::new(
        place,
        format!("cannot be read ({error})"),
        "the file is cut short or damaged: fetch or save it again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};
    use zip::{ZipWriter, write::SimpleFileOptions};

    fn archive(bytes: &[u8]) -> Result<Archive, InputError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        Archive::open(file.path(), file.reopen().unwrap())
    }

    fn packed(content: &[u8], method: CompressionMethod) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("a/b", SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn a_member_comes_back_whole() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let archive = archive(&packed(b"hello hello hello", method)).unwrap();
            assert_eq!(archive.members()[0].size, 17);
            assert_eq!(archive.read(archive.find("a/b").unwrap(), 17).unwrap(), b"hello hello hello");
            assert_eq!(archive.read_up_to(0, 5).unwrap(), b"hello");
            assert!(archive.read(0, 16).unwrap_err().problem.contains("17 bytes long"));
        }
    }

    #[test]
    fn a_directory_may_end_before_the_record_of_its_end() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["a".repeat(30), "b".into()] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
        }
        let mut bytes = zip.finish().unwrap().into_inner();
        // As PyTorch does it: the first header is as long as what lies between.
        let end = bytes.len() - 22;
        bytes.splice(end..end, [0; 76]);
        assert_eq!(archive(&bytes).unwrap().members().len(), 2);
    }

    #[test]
    fn a_flipped_bit_fails_the_checksum() {
        let mut bytes = packed(b"hello hello hello", CompressionMethod::Stored);
        let at = bytes.windows(5).position(|window| window == b"hello").unwrap();
        bytes[at] ^= 1;
        assert!(archive(&bytes).unwrap().read(0, 17).unwrap_err().problem.contains("hecksum"));
    }

    #[test]
    fn a_claim_beyond_the_deflate_ratio_is_refused_on_opening() {
        let mut bytes = packed(b"hello hello hello", CompressionMethod::Deflated);
        let directory = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        bytes[directory + 24..directory + 28].copy_from_slice(&0xf000_0000u32.to_le_bytes());
        let error = archive(&bytes).err().unwrap();
        assert!(error.problem.contains("claims 4026531840 bytes"), "{error}");
    }

    #[test]
    fn every_truncation_is_one_error() {
        let bytes = packed(b"hello hello hello", CompressionMethod::Deflated);
        for length in 0..bytes.len() {
            assert!(archive(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
