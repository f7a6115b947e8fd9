//! Connected components.

/// The connected components of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// Number of components.
    pub count: usize,
    /// Component of each node, numbered by their first node: `(nodes,)`.
    pub of: Vec<u32>,
}

impl Components {
    /// Breadth-first search over `nodes` nodes; `neighbours(i)` lists those of node i, and what to add to each of them.
    ///
    /// Stops looking at edges once every node is reached, so a dense connected graph costs a few rows.
    pub fn search<'a>(nodes: usize, neighbours: impl Fn(usize) -> (&'a [u32], usize)) -> Self {
        const UNSEEN: u32 = u32::MAX;
        let mut of = vec![UNSEEN; nodes];
        let mut count = 0;
        let mut seen = 0;
        let mut queue = Vec::with_capacity(nodes);
        for first in 0..nodes {
            if of[first] != UNSEEN {
                continue;
            }
            queue.clear();
            queue.push(first as u32);
            of[first] = count;
            seen += 1;
            let mut next = 0;
            while next < queue.len() && seen < nodes {
                let (list, offset) = neighbours(queue[next] as usize);
                for &j in list {
                    let j = j as usize + offset;
                    if of[j] == UNSEEN {
                        of[j] = count;
                        seen += 1;
                        queue.push(j as u32);
                    }
                }
                next += 1;
            }
            count += 1;
        }
        Self { count: count as usize, of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_numbers_by_first_node() {
        let neighbours: [&[u32]; 6] = [&[3], &[2], &[1], &[0, 5], &[], &[3]];
        let components = Components::search(6, |i| (neighbours[i], 0));
        assert_eq!(components, Components { count: 3, of: vec![0, 1, 1, 0, 2, 0] });
    }
}
