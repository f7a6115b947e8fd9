//! The normalised cut of a partition, and how balanced its parts are.

use crate::graph::{Block, NeuronGraph};

/// A partition's weights, from which everything else follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// Nodes of each part, `(k,)`.
    pub sizes: Vec<usize>,
    /// `vol(X) = Σ_{i ∈ X} d_i`, `(k,)`.
    pub volumes: Vec<f64>,
    /// `W(X, X̄)`, the weight of the edges that leave each part, `(k,)`.
    pub cuts: Vec<f64>,
}

impl Partition {
    /// Sums over the edges of `graph`; `labels` `(n,)`, each below `k`.
    ///
    /// # Panics
    ///
    /// If there is not one label a node, or one is not below `k`.
    pub fn new(graph: &NeuronGraph, labels: &[u32], k: usize) -> Self {
        assert_eq!(labels.len(), graph.nodes(), "one label a node");
        let mut partition = Self { sizes: vec![0; k], volumes: vec![0.0; k], cuts: vec![0.0; k] };
        for &label in labels {
            partition.sizes[label as usize] += 1;
        }
        let mut internal = vec![0.0; k];
        let offsets = graph.offsets();
        for Block { source, target, weights } in &graph.blocks {
            let (rows, columns) = (&labels[offsets[*source]..], &labels[offsets[*target]..]);
            let times = if source == target { 1.0 } else { 2.0 };
            for (row, &a) in weights.outer_iterator().zip(rows) {
                let a = a as usize;
                // to each part; in two sums, so that an addition need not wait for the one before it
                let mut joins = vec![[0.0; 2]; k];
                for (entry, (j, weight)) in row.iter().enumerate() {
                    joins[columns[j] as usize][entry % 2] += weight;
                }
                for (b, joins) in joins.into_iter().enumerate() {
                    let weight = joins[0] + joins[1];
                    if a == b {
                        internal[a] += times * weight;
                    } else {
                        partition.cuts[a] += weight;
                        if source != target {
                            partition.cuts[b] += weight;
                        }
                    }
                }
            }
        }
        for ((volume, internal), cut) in partition.volumes.iter_mut().zip(internal).zip(&partition.cuts) {
            *volume = internal + cut;
        }
        partition
    }

    /// The normalised cut.
    ///
    /// ```text
    /// n-cut(X_1, …, X_k) = Σ_c W(X_c, X̄_c) / vol(X_c)
    /// ```
    ///
    /// In `[0, k]`: 0 when no edge joins two parts, k when every edge does; about k − 1 for a random partition. Parts
    /// without nodes are passed over.
    ///
    /// # Deviations
    ///
    /// The authors' code adds 1e-8 to the volumes; nothing is added here.
    ///
    /// # References
    ///
    /// * Filan et al. (2021), *Clusterability in Neural Networks*, section 1.1.
    /// * J. Shi, J. Malik (2000), *Normalized cuts and image segmentation*, IEEE TPAMI 22(8), Eq. (2).
    ///
    /// # Examples
    ///
    /// Two triangles joined by one edge: each side has cut 1 and volume 7.
    ///
    /// ```
    /// use ncut::graph::{NeuronGraph, NodeSet};
    /// use ncut::spectral::ncut::Partition;
    /// let mut edges = sprs::TriMatI::<f64, u32>::new((6, 6));
    /// for (i, j) in [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)] {
    ///     edges.add_triplet(i, j, 1.0);
    ///     edges.add_triplet(j, i, 1.0);
    /// }
    /// let all = vec![NodeSet { name: "all".into(), size: 6 }];
    /// let graph = NeuronGraph::from_adjacency(&edges.to_csr(), all);
    /// assert_eq!(Partition::new(&graph, &[0, 0, 0, 1, 1, 1], 2).ncut(), 2.0 / 7.0);
    /// ```
    pub fn ncut(&self) -> f64 {
        self.cuts.iter().zip(&self.volumes).filter(|(_, volume)| **volume > 0.0).map(|(cut, volume)| cut / volume).sum()
    }

    /// Share of the whole volume that each part has, `(k,)`; sums to 1.
    pub fn volume_shares(&self) -> Vec<f64> {
        let total: f64 = self.volumes.iter().sum();
        self.volumes.iter().map(|volume| volume / total).collect()
    }

    /// `exp(−Σ_c p_c ln p_c)` of the volume shares p: k if all parts have the same volume, 1 if one has everything.
    pub fn effective_clusters(&self) -> f64 {
        (-self.volume_shares().iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>()).exp()
    }

    /// Newman's modularity of the partition.
    ///
    /// ```text
    /// Q = Σ_c [ (vol(X_c) − W(X_c, X̄_c)) / vol(V) − (vol(X_c) / vol(V))² ]
    /// ```
    ///
    /// In `[-1/2, 1)`; 0 for a single part. Unlike the n-cut it punishes parts of unequal volume.
    ///
    /// # References
    ///
    /// * M. Newman (2006), *Modularity and community structure in networks*, PNAS 103(23).
    pub fn modularity(&self) -> f64 {
        let total: f64 = self.volumes.iter().sum();
        self.volumes.iter().zip(&self.cuts).map(|(volume, cut)| (volume - cut) / total - (volume / total).powi(2)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mlp_graph;
    use ndarray::{Array2, array};

    fn golden(weights: Vec<Array2<f64>>) -> NeuronGraph {
        mlp_graph(weights.into_iter().map(|w| ("w".to_string(), w)).collect())
    }

    /// The values of the authors' own tests (`spec` of their repository), labels alternating.
    #[test]
    fn golden_values_of_the_paper_code() {
        let small = golden(vec![array![[12.0, -1.3], [0.0, 7.4]], array![[-8.9, 0.15], [0.23, -5.7]]]);
        assert!((Partition::new(&small, &[0, 1, 0, 1, 0, 1], 2).ncut() - 0.0988967).abs() < 1e-6);
        let big = golden(vec![
            array![[5.4, 0.03, 0.0, 0.0], [0.0, 0.0, -0.4, 5.5], [-12.0, 0.0, 4.8, -0.07], [0.0, 6.3, 0.001, 7.0]],
            array![[-13.3, -0.4, 6.0, 0.1], [0.7, -8.0, 0.0, -5.8], [7.4, 0.3, -15.0, 0.0], [0.0, 0.0, 0.0, -12.3]],
        ]);
        let labels = [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0];
        assert!((Partition::new(&big, &labels, 2).ncut() - 0.0372131).abs() < 1e-6);
    }

    /// Against the definition, term by term on the dense matrix.
    #[test]
    fn agrees_with_a_slow_explicit_sum() {
        let graph = golden(vec![array![[1.0, 2.0, 0.0], [0.5, 0.0, 3.0]], array![[0.1, 4.0], [2.0, 0.0], [1.0, 1.5]]]);
        let a: Array2<f64> = graph.adjacency().to_dense();
        let labels = [0u32, 1, 2, 0, 1, 2, 2];
        let total = a.sum();
        let (mut ncut, mut q) = (0.0, 0.0);
        for c in 0..3 {
            let (mut cut, mut volume) = (0.0, 0.0);
            for ((i, j), weight) in a.indexed_iter() {
                if labels[i] == c {
                    volume += weight;
                    cut += if labels[j] == c { 0.0 } else { *weight };
                }
            }
            ncut += cut / volume;
            q += (volume - cut) / total - (volume / total) * (volume / total);
        }
        let partition = Partition::new(&graph, &labels, 3);
        assert!((partition.ncut() - ncut).abs() < 1e-14);
        assert!((partition.modularity() - q).abs() < 1e-14);
        assert!((Partition::new(&graph, &[0; 7], 1).effective_clusters() - 1.0).abs() < 1e-14);
    }
}
