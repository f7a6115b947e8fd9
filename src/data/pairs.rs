//! Which two images of its parent an example is made of, and its label.
//!
//! * **same**: image `i`, and one drawn uniformly from the first `m` images of its class, where `m` is the size of the
//!   smallest class of the split. It may be image `i` itself. The label is the class.
//! * **diff**: two images drawn uniformly, with replacement. The label is the sum of their classes, modulo 10. The
//!   classes may be the same, which they are in a tenth.

use rand::Rng;
use rayon::prelude::*;

use super::generated::Making;

/// One example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    /// Numbers of the images in the parent's split.
    pub images: [usize; 2],
    /// Below 10.
    pub label: u8,
}

/// As many as the parent has images: two of a class.
pub(super) fn same(making: &Making) -> Vec<Pair> {
    let labels = making.parents[0].labels;
    let mut classes = vec![Vec::new(); 10];
    labels.iter().enumerate().for_each(|(i, &label)| classes[usize::from(label)].push(i));
    // of a small parent, some classes may have none
    let smallest = classes.iter().map(Vec::len).filter(|&len| len > 0).min().unwrap_or(0);
    let pair = |(i, &label): (usize, &u8)| {
        let other = classes[usize::from(label)][making.stream(i).gen_range(0..smallest)];
        Pair { images: [i, other], label }
    };
    labels.par_iter().enumerate().map(pair).collect()
}

/// As many as the parent has images: any two.
pub(super) fn diff(making: &Making) -> Vec<Pair> {
    let labels = making.parents[0].labels;
    let pair = |i: usize| {
        let mut rng = making.stream(i);
        let images = [rng.gen_range(0..labels.len()), rng.gen_range(0..labels.len())];
        Pair { images, label: (labels[images[0]] + labels[images[1]]) % 10 }
    };
    (0..labels.len()).into_par_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::super::generated::Images;
    use super::super::generated::tests::images;
    use super::*;

    #[test]
    fn labels_are_of_the_two_images() {
        let (pixels, labels) = images(300, 3);
        let making = |name, test| Making::new(name, 1, test, 0, vec![Images { pixels: &pixels, labels: &labels }]);
        let of_class = |class| (0..300).filter(|&i| labels[i] == class).collect::<Vec<_>>();
        let smallest = (0..10).map(|class| of_class(class).len()).min().unwrap();

        let pairs = same(&making("name", false));
        assert_eq!(pairs.len(), 300);
        let mut itself = 0;
        for (i, Pair { images: [first, second], label }) in pairs.into_iter().enumerate() {
            assert_eq!((first, label), (i, labels[i]));
            assert!(of_class(label)[..smallest].contains(&second));
            itself += u32::from(i == second);
        }
        // expected: 10 classes of m images that each meet themselves with probability 1/m
        assert!((1..=25).contains(&itself), "{itself}");

        let pairs = diff(&making("name", false));
        for Pair { images: [first, second], label } in &pairs {
            assert_eq!(*label, (labels[*first] + labels[*second]) % 10);
        }
        // 30 ± 5 (sd), as classes are drawn
        let alike = pairs.iter().filter(|pair| labels[pair.images[0]] == labels[pair.images[1]]).count();
        assert!((10..=55).contains(&alike), "{alike}");
        for other in [making("other", false), making("name", true)] {
            assert_ne!(pairs, diff(&other));
        }
    }
}
