//! MNIST and Fashion-MNIST: two data sets with the same files of the same names, in different folders.

use std::path::{Path, PathBuf};

use super::published::{PublishedFile, md5_of};
use super::{Dataset, Description, Origin, Source, Split, Task, fetch_command, idx};
use crate::InputError;

/// A published data set of four IDX files.
#[derive(Debug)]
pub struct Collection {
    /// What it is; its name is also that of its folder in the data directory.
    pub description: Description,
    /// Base addresses that have the `.gz` files, ending in `/`, in the order in which they are asked.
    pub mirrors: &'static [&'static str],
    /// Where torchvision keeps it below its own root, so that such a root can be named as a source too.
    pub torchvision: &'static str,
    /// Training images, training labels, test images, test labels.
    pub files: [PublishedFile; 4],
}

/// Handwritten digits. Its published addresses at yann.lecun.com no longer answer.
pub static MNIST: Collection = Collection {
    description: Description {
        name: "mnist",
        what: "handwritten digits, grey",
        train: 60_000,
        test: 10_000,
        channels: 1,
        height: 28,
        width: 28,
        task: Task::Classification { classes: 10 },
        licence: "usually stated as CC BY-SA 3.0",
        citation: "Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits; \
                   Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998), Gradient-based learning applied to document \
                   recognition, Proceedings of the IEEE 86(11), 2278-2324",
        origin: Origin::Fetched,
        parents: &[],
    },
    mirrors: &["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"],
    torchvision: "MNIST/raw",
    files: files(
        ["f68b3c2dcbeaaa9fbdd348bbdeb94873", "6bbc9ace898e44ae57da46a324031adb"],
        ["d53e105ee54ea40749a09fcbcd1e9432", "a25bea736e30d166cdddb491f175f624"],
        ["9fb629c4189551a2d022fa330f9573f3", "2646ac647ad5339dbf082846283269ea"],
        ["ec29112dd5afa0611ce80d1b7f02629c", "27ae3e4e09519cfbb04c329615203637"],
    ),
};

/// Pictures of clothes, made to replace MNIST without any change of code.
pub static FASHION_MNIST: Collection = Collection {
    description: Description {
        name: "fashion-mnist",
        what: "pictures of clothes, grey",
        train: 60_000,
        test: 10_000,
        channels: 1,
        height: 28,
        width: 28,
        task: Task::Classification { classes: 10 },
        licence: "MIT",
        citation: "H. Xiao, K. Rasul, R. Vollgraf (2017), Fashion-MNIST: a Novel Image Dataset for Benchmarking \
                   Machine Learning Algorithms, arXiv:1708.07747",
        origin: Origin::Fetched,
        parents: &[],
    },
    mirrors: &[
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        // no HTTPS at this one
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ],
    torchvision: "FashionMNIST/raw",
    files: files(
        ["8d4fb7e6c68d591d4c3dfef9ec88bf0d", "f4a8712d7a061bf5bd6d2ca38dc4d50a"],
        ["25c81989df183df01b3e8a0aad5dffbe", "9018921c3c673c538a1fc5bad174d6f9"],
        ["bef4ecab320f06d8554ea6380940ec79", "8181f5470baa50b63fa0f6fddb340f0a"],
        ["bb300cfdad3c16e7a12a480ee83cd310", "15d484375f8d13e6eb1aabb0c3f46965"],
    ),
};

/// Files of the names and lengths of MNIST; each argument is the MD5 of the `.gz` and of its contents.
const fn files(
    train_images: [&'static str; 2],
    train_labels: [&'static str; 2],
    test_images: [&'static str; 2],
    test_labels: [&'static str; 2],
) -> [PublishedFile; 4] {
    const fn file(name: &'static str, [gzip_md5, content_md5]: [&'static str; 2], bytes: u64) -> PublishedFile {
        PublishedFile { name, gzip_md5, content_md5, content_bytes: bytes }
    }
    [
        file("train-images-idx3-ubyte", train_images, 16 + 60_000 * 28 * 28),
        file("train-labels-idx1-ubyte", train_labels, 8 + 60_000),
        file("t10k-images-idx3-ubyte", test_images, 16 + 10_000 * 28 * 28),
        file("t10k-labels-idx1-ubyte", test_labels, 8 + 10_000),
    ]
}

impl Source for Collection {
    fn description(&self) -> &Description {
        &self.description
    }

    fn missing(&self, data_dir: &Path) -> Vec<&'static str> {
        if self.locate(data_dir).is_ok() { Vec::new() } else { vec![self.description.name] }
    }

    /// Reads the four files. Checksums of the images are left to `fetch`; what is told apart here is what is cheap:
    /// files that are not IDX, do not fit together, are exchanged, or are those of the other collection. A smaller set
    /// in the same format is taken as it is.
    fn load(&self, data_dir: &Path, _: u64) -> Result<Dataset, InputError> {
        let paths = self.locate(data_dir)?;
        let Description { name, task, .. } = self.description;
        let remedy = format!("fetch it again with {}", fetch_command(name, data_dir));
        let train = idx::read_split(&paths[0], &paths[1], task.outputs(), &remedy)?;
        let test = idx::read_split(&paths[2], &paths[3], task.outputs(), &remedy)?;
        if (train.len(), test.len()) == (self.description.test, self.description.train) {
            let problem =
                format!("holds {} training and {} test images: the two are exchanged", train.len(), test.len());
            let remedy = format!("rename train-* to t10k-* and the reverse, or {remedy}");
            return Err(InputError::new(data_dir.join(name).display(), problem, remedy));
        }
        if (train.height, train.width) != (test.height, test.width) {
            let problem = format!(
                "holds images of {} × {}, but the training images are {} × {}",
                test.height, test.width, train.height, train.width
            );
            return Err(InputError::new(paths[2].display(), problem, remedy));
        }
        for (split, file, path) in [(&train, 1, &paths[1]), (&test, 3, &paths[3])] {
            if let Some(other) = self.other_with_labels(split, file) {
                let problem = format!("holds the labels of {other}, not of {name}");
                return Err(InputError::new(path.display(), problem, remedy));
            }
        }
        Ok(Dataset { name: name.into(), train, test, task })
    }

    fn collection(&self) -> Option<&'static Collection> {
        [&MNIST, &FASHION_MNIST].into_iter().find(|c| c.description.name == self.description.name)
    }
}

impl Collection {
    /// Paths of the four files, under any of the names they may have.
    fn locate(&self, data_dir: &Path) -> Result<[PathBuf; 4], InputError> {
        let dir = data_dir.join(self.description.name);
        let found = self.files.each_ref().map(|file| file.locate(&dir));
        if let [Some(a), Some(b), Some(c), Some(d)] = found {
            return Ok([a, b, c, d]);
        }
        let missing = self.files.iter().zip(&found).filter(|(_, found)| found.is_none());
        let missing = missing.map(|(file, _)| file.name).collect::<Vec<_>>().join(", ");
        let problem = if dir.is_dir() {
            format!("has no {missing} (with or without .gz)")
        } else {
            "there is no such folder".into()
        };
        let fetch = fetch_command(self.description.name, data_dir);
        let remedy = format!("fetch it with {fetch}, or name the directory that holds it with --data-dir DIR");
        Err(InputError::new(dir.display(), problem, remedy))
    }

    /// The other collection whose file number `file` has just the labels of `split`. Nothing but the folder tells the
    /// files of the two apart, so they are easily mistaken for each other.
    fn other_with_labels(&self, split: &Split, file: usize) -> Option<&'static str> {
        let header = [0x0801, split.len() as u32].map(u32::to_be_bytes).concat();
        let md5 = md5_of([&header[..], split.classes().unwrap_or_default()]);
        let others = [&MNIST, &FASHION_MNIST].into_iter().filter(|c| c.description.name != self.description.name);
        others.filter(|c| c.files[file].content_md5 == md5).map(|c| c.description.name).next()
    }
}

#[cfg(test)]
mod tests {
    use super::super::full_sets;
    use super::*;

    const NAMES: [&str; 4] =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

    /// IDX of `n` images of `height` × 1 pixels, and of their labels, all 0.
    fn blank(n: u32, height: u32) -> [Vec<u8>; 2] {
        let bytes = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        let mut images = bytes(&[0x0803, n, height, 1]);
        images.resize(images.len() + (n * height) as usize, 0);
        let mut labels = bytes(&[0x0801, n]);
        labels.resize(labels.len() + n as usize, 0);
        [images, labels]
    }

    fn folder(train: [Vec<u8>; 2], test: [Vec<u8>; 2]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("mnist")).unwrap();
        for (name, bytes) in NAMES.iter().zip(train.into_iter().chain(test)) {
            std::fs::write(dir.path().join("mnist").join(name), bytes).unwrap();
        }
        dir
    }

    #[test]
    fn a_small_set_of_the_same_form_loads() {
        let dir = folder(blank(3, 2), blank(1, 2));
        let set = MNIST.load(dir.path(), 0).unwrap();
        assert_eq!((set.train.len(), set.test.len(), set.train.height, set.train.width), (3, 1, 2, 1));
        assert_eq!(set.name, "mnist");
    }

    #[test]
    fn exchanged_train_and_test_are_recognised() {
        let dir = folder(blank(10_000, 1), blank(60_000, 1));
        let error = MNIST.load(dir.path(), 0).unwrap_err();
        assert_eq!(error.problem, "holds 10000 training and 60000 test images: the two are exchanged");
        assert!(error.remedy.starts_with("rename train-* to t10k-* and the reverse"), "{error}");
        // only the labels exchanged
        let [[images, labels], [test_images, test_labels]] = [blank(6, 1), blank(1, 1)];
        let error = MNIST.load(folder([images, test_labels], [test_images, labels]).path(), 0).unwrap_err().to_string();
        assert!(error.contains("holds 1 labels, but ") && error.contains("holds 6 images"), "{error}");
        // the two training files exchanged
        let [images, labels] = blank(6, 1);
        let error = MNIST.load(folder([labels, images], blank(1, 1)).path(), 0).unwrap_err();
        assert_eq!(error.problem, "holds labels, not images: the two files seem to be swapped");
        assert!(error.remedy.starts_with("fetch it again with `ncut data fetch mnist"), "{error}");
    }

    #[test]
    fn images_of_different_shape_are_refused() {
        let error = MNIST.load(folder(blank(2, 3), blank(2, 4)).path(), 0).unwrap_err();
        assert_eq!(error.problem, "holds images of 4 × 1, but the training images are 3 × 1");
    }

    #[test]
    fn fashion_in_the_folder_of_mnist_is_recognised() {
        let Some(full) = full_sets() else { return };
        let labels = |file: usize| std::fs::read(FASHION_MNIST.locate(&full).unwrap()[file].as_path()).unwrap();
        let [train, test] = [blank(60_000, 1), blank(10_000, 1)].map(|[images, _]| images);
        let error = MNIST.load(folder([train, labels(1)], [test, labels(3)]).path(), 0).unwrap_err();
        assert_eq!(error.problem, "holds the labels of fashion-mnist, not of mnist");
    }

    #[test]
    fn checksums_are_those_of_the_full_sets() {
        let Some(dir) = full_sets() else { return };
        for collection in [&MNIST, &FASHION_MNIST] {
            for (file, path) in collection.files.iter().zip(collection.locate(&dir).unwrap()) {
                file.check(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
            }
        }
    }

    #[test]
    fn figures_of_the_full_sets() {
        let Some(dir) = full_sets() else { return };
        // mean and sd of the training pixels over 255, as used everywhere to normalise the two sets
        for (collection, mean, sd) in [(&MNIST, 0.1307, 0.3081), (&FASHION_MNIST, 0.2860, 0.3530)] {
            let train = collection.load(&dir, 0).unwrap().train;
            let mut counts = [0.0; 256];
            let pixels = train.pixels().unwrap();
            pixels.iter().for_each(|&p| counts[usize::from(p)] += 1.0 / pixels.len() as f64);
            let moment = |power| (0..256).map(|p| counts[p] * (p as f64 / 255.0).powi(power)).sum::<f64>();
            let found = moment(1);
            let found_sd = (moment(2) - found * found).sqrt();
            assert!((found - mean).abs() < 5e-5 && (found_sd - sd).abs() < 5e-5, "{found} {found_sd}");
            // the smallest class of MNIST is the digit 5, with 5,421 training images; Fashion-MNIST is balanced
            let smallest = (0..10).map(|c| train.classes().unwrap().iter().filter(|&&l| l == c).count()).min();
            assert_eq!(smallest, Some(if collection.description.name == "mnist" { 5421 } else { 6000 }));
        }
    }
}
