//! Disjoint sets.

/// Sets of the numbers from 0, each of which is alone at first.
///
/// # References
///
/// R. Tarjan, J. van Leeuwen (1984), *Worst-case analysis of set union algorithms*, Journal of the ACM 31(2): path halving.
#[derive(Debug)]
pub struct DisjointSets {
    /// Of each member one of its set that is less, or itself.
    parent: Vec<u32>,
    count: usize,
}

impl DisjointSets {
    /// Of `members` numbers, fewer than 2³².
    pub fn new(members: usize) -> Self {
        Self { parent: (0..members as u32).collect(), count: members }
    }

    /// Number of sets.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The least member of the set of `member`.
    pub fn least(&mut self, mut member: u32) -> u32 {
        while self.parent[member as usize] != member {
            let above = self.parent[self.parent[member as usize] as usize];
            self.parent[member as usize] = above;
            member = above;
        }
        member
    }

    /// Makes one set of those of `a` and `b`.
    pub fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.least(a), self.least(b));
        if a != b {
            self.parent[a.max(b) as usize] = a.min(b);
            self.count -= 1;
        }
    }
}
