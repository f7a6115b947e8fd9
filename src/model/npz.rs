//! `.npz` archives as `numpy.savez` and `numpy.savez_compressed` write them.

use crate::InputError;
use crate::model::archive::Archive;
use crate::model::npy::NpyHeader;
use crate::model::{Blob, TensorEntry, c_strides};

/// The arrays of the archive in its order; names are without `.npy`.
pub(super) fn index(archive: &Archive) -> Result<Vec<TensorEntry>, InputError> {
    let mut entries = Vec::new();
    for (member, file) in archive.members().iter().enumerate() {
        let Some(name) = file.name.strip_suffix(".npy") else { continue };
        let header = NpyHeader::read(archive, member)?;
        let strides = if header.fortran_order {
            let reversed: Vec<usize> = header.shape.iter().rev().copied().collect();
            c_strides(&reversed).into_iter().rev().collect()
        } else {
            c_strides(&header.shape)
        };
        entries.push(TensorEntry {
            name: name.into(),
            shape: header.shape,
            dtype: header.dtype,
            blob: Blob::Member(member),
            start: header.data_start as u64,
            strides,
            big_endian: header.big_endian,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use crate::model::fixtures::{check, open};
    use crate::model::{Dtype, Format, TensorFile};

    #[test]
    fn arrays_as_numpy_saved_them() {
        for name in ["mlp.npz", "mlp-compressed.npz"] {
            let file = open(name);
            assert_eq!(file.format(), Format::Npz);
            check(&file, name);
        }
    }

    #[test]
    fn fortran_order_and_big_endian_numbers() {
        let file = open("odd.npz");
        check(&file, "odd.npz");
        assert_eq!(file.entries().iter().map(|entry| entry.dtype).collect::<Vec<_>>()[..2], [Dtype::F64, Dtype::F32]);
    }

    #[test]
    fn a_shape_larger_than_the_member_is_refused() {
        use std::io::Write;
        let file = tempfile::Builder::new().suffix(".npz").tempfile().unwrap();
        let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
        zip.start_file("w.npy", zip::write::SimpleFileOptions::default()).unwrap();
        let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000)}";
        zip.write_all(
            &[b"\x93NUMPY\x01\x00", &[dictionary.len() as u8, 0][..], dictionary.as_bytes(), &[0; 64]].concat(),
        )
        .unwrap();
        zip.finish().unwrap();
        let file = TensorFile::open(file.path()).unwrap();
        let error = file.read(&file.entries()[0]).unwrap_err();
        assert!(error.place.contains("tensor 'w'") && error.problem.contains("needs 4000000000079 bytes"), "{error}");
    }
}
