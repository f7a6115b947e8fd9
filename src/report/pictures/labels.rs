//! Where the labels of points stand: beside them, off each other, off markers and lines as far as there is room.

/// A place in the picture, in pixels; y grows downwards.
pub(super) type At = (f64, f64);

/// A box of text or of a marker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Rect {
    /// A square with sides of `2 · half`.
    pub(super) fn around(at: At, half: f64) -> Self {
        Self { left: at.0 - half, top: at.1 - half, right: at.0 + half, bottom: at.1 + half }
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn holds(&self, other: &Self) -> bool {
        self.left <= other.left && other.right <= self.right && self.top <= other.top && other.bottom <= self.bottom
    }

    /// Whether some of the line from `a` to `b` lies in it (Liang and Barsky).
    fn is_crossed(&self, (a, b): (At, At)) -> bool {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let sides = [(-dx, a.0 - self.left), (dx, self.right - a.0), (-dy, a.1 - self.top), (dy, self.bottom - a.1)];
        let (mut from, mut to) = (0.0f64, 1.0f64);
        for (towards, distance) in sides {
            if towards == 0.0 && distance < 0.0 {
                return false;
            } else if towards < 0.0 {
                from = from.max(distance / towards);
            } else if towards > 0.0 {
                to = to.min(distance / towards);
            }
        }
        from < to
    }

    /// The place in it that is nearest to `at`.
    fn nearest(&self, at: At) -> At {
        (at.0.clamp(self.left, self.right), at.1.clamp(self.top, self.bottom))
    }
}

/// Pixels of `text` in letters of `size`: those of a wide sans-serif, so that what fits here fits with any.
pub(in crate::report) fn width(text: &str, size: f64) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '(' | ')' | '-' | 'f' | 't' | 'r' => 0.38,
        'm' | 'w' | 'M' | 'W' | '=' | '+' | '−' | '±' | '<' | '>' | '%' => 0.88,
        'A'..='Z' => 0.72,
        '\u{2e80}'.. => 1.0,
        _ => 0.62,
    };
    size * text.chars().map(of).sum::<f64>()
}

/// What is to be labelled, and what is in the way.
pub(super) struct Scene<'a> {
    /// Where labels may stand.
    pub(super) room: Rect,
    /// Points with the width of their labels. Where labels cover each other, those of earlier points stay.
    pub(super) points: &'a [(At, f64)],
    /// Markers, also of points without a label.
    pub(super) markers: &'a [At],
    /// Height of a label.
    pub(super) height: f64,
    /// Half the side of a marker.
    pub(super) marker: f64,
    /// Other things that are in the way.
    pub(super) lines: &'a [(At, At)],
}

/// A label's box, and the line that leads to it where it is not beside its point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) text: Rect,
    pub(super) leader: Option<(At, At)>,
}

/// From a marker's edge to its label; beyond the first, a line leads there.
const DISTANCES: [f64; 6] = [3.0, 12.0, 21.0, 31.0, 43.0, 57.0];
/// Directions of a label from its point, the better ones first.
const DIRECTIONS: [(f64, f64); 8] =
    [(0.75, -0.75), (0.75, 0.75), (-0.75, -0.75), (-0.75, 0.75), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (-1.0, 0.0)];
/// What a label costs that covers another or a line, or whose own line passes below a marker.
const ON_LABEL: f64 = 60.0;
const ON_MARKER: f64 = 20.0;
const ON_LINE: f64 = 3.0;
/// Rounds in which each label looks for a better place.
const ROUNDS: usize = 10;

/// The place of each label, off all markers; none where each would cover a marker or the label of an earlier point.
///
/// Coordinate descent over a list of places for each label, then a last round in which those of earlier points are fixed.
/// The order of the points decides ties.
pub(super) fn place(scene: &Scene) -> Vec<Option<Place>> {
    let candidates: Vec<Vec<(f64, Place)>> = (0..scene.points.len()).map(|i| scene.candidates(i)).collect();
    let mut chosen: Vec<Option<Place>> = vec![None; candidates.len()];
    for _ in 0..ROUNDS {
        let before = chosen.clone();
        choose(&mut chosen, &candidates, false);
        if chosen == before {
            break;
        }
    }
    choose(&mut chosen, &candidates, true);
    chosen
}

/// Gives each label in turn the place that is best beside the others; if `fixed`, none that covers an earlier one.
fn choose(chosen: &mut [Option<Place>], candidates: &[Vec<(f64, Place)>], fixed: bool) {
    for (i, own) in candidates.iter().enumerate() {
        let covered = |place: &Place, others: &[Option<Place>]| {
            others.iter().flatten().filter(|other| place.meets(other)).count()
        };
        let cost = |(cost, place): &(f64, Place)| {
            let (earlier, later) = (covered(place, &chosen[..i]), covered(place, &chosen[i + 1..]));
            (!fixed || earlier == 0).then_some((cost + ON_LABEL * (earlier + later) as f64, *place))
        };
        let best = own.iter().filter_map(cost).min_by(|a, b| a.0.total_cmp(&b.0));
        chosen[i] = best.map(|(_, place)| place);
    }
}

impl Place {
    /// Whether one's text is covered by the other's, or by the line that leads to it.
    fn meets(&self, other: &Self) -> bool {
        let crossed = |text: &Rect, leader: Option<(At, At)>| leader.is_some_and(|line| text.is_crossed(line));
        self.text.overlaps(&other.text) || crossed(&self.text, other.leader) || crossed(&other.text, self.leader)
    }
}

impl Scene<'_> {
    /// Places for the label of a point, with what they cost apart from other labels.
    fn candidates(&self, i: usize) -> Vec<(f64, Place)> {
        let (at, width) = self.points[i];
        let mut found = Vec::new();
        for (ring, distance) in DISTANCES.iter().enumerate() {
            for (rank, (dx, dy)) in DIRECTIONS.iter().enumerate() {
                let reach = self.marker + distance;
                let (x, y) = (at.0 + dx * reach, at.1 + dy * reach);
                let left = x - width * (1.0 - dx.signum() * f64::from(u8::from(*dx != 0.0))) / 2.0;
                let top = y - self.height * (1.0 - dy.signum() * f64::from(u8::from(*dy != 0.0))) / 2.0;
                let text = Rect { left, top, right: left + width, bottom: top + self.height };
                let beside = |other: &At| *other != at;
                let markers = || self.markers.iter().copied().filter(beside).map(|at| Rect::around(at, self.marker));
                if !self.room.holds(&text) || markers().any(|marker| text.overlaps(&marker)) {
                    continue;
                }
                let leader = (ring > 0).then(|| (at, text.nearest(at)));
                let led = leader.map_or(0, |line| markers().filter(|marker| marker.is_crossed(line)).count());
                let crossed = self.lines.iter().filter(|line| text.is_crossed(**line)).count();
                let cost = 4.0 * ring as f64 + 0.1 * rank as f64 + ON_MARKER * led as f64 + ON_LINE * crossed as f64;
                found.push((cost, Place { text, leader }));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::Rng;

    const ROOM: Rect = Rect { left: 0.0, top: 0.0, right: 560.0, bottom: 400.0 };

    fn placed(points: &[(At, f64)]) -> Vec<Option<Place>> {
        let markers: Vec<At> = points.iter().map(|(at, _)| *at).collect();
        place(&Scene { room: ROOM, points, markers: &markers, height: 13.0, marker: 6.0, lines: &[] })
    }

    #[test]
    fn labels_stand_off_each_other_and_off_markers() {
        let mut rng = stream(0, Purpose::Shuffle, 2, 0);
        let mut labels = 0;
        for _ in 0..20 {
            let points: Vec<(At, f64)> =
                (0..25).map(|_| ((rng.gen_range(30.0..530.0), rng.gen_range(30.0..370.0)), 50.0)).collect();
            let places: Vec<Place> = placed(&points).into_iter().flatten().collect();
            labels += places.len();
            for (i, place) in places.iter().enumerate() {
                assert!(ROOM.holds(&place.text));
                assert!(places[..i].iter().all(|other| !place.meets(other)));
                assert!(points.iter().all(|(at, _)| !place.text.overlaps(&Rect::around(*at, 6.0))));
            }
        }
        assert!(labels >= 497, "{labels} of 500");
    }

    #[test]
    fn where_there_is_no_room_the_first_labels_stay() {
        let same = [((280.0, 200.0), 50.0); 60];
        let places = placed(&same);
        let kept: Vec<&Place> = places.iter().flatten().collect();
        assert!(places[0].is_some() && (8..60).contains(&kept.len()), "{}", kept.len());
        assert!((0..kept.len()).all(|i| kept[..i].iter().all(|other| !kept[i].meets(other))));
        assert_eq!(placed(&[((280.0, 200.0), 600.0)]), [None]);
    }

    #[test]
    fn a_line_crosses_a_box() {
        let rect = Rect { left: 0.0, top: 0.0, right: 2.0, bottom: 1.0 };
        for (line, crosses) in [
            (((-1.0, 0.5), (3.0, 0.5)), true),
            (((0.5, 0.5), (1.0, 0.6)), true),
            (((-1.0, 0.5), (-0.5, 0.5)), false),
            (((-1.0, 2.0), (3.0, 2.0)), false),
            (((-1.0, 0.0), (1.0, 4.0)), false),
            (((1.0, -1.0), (1.0, 3.0)), true),
        ] {
            assert_eq!(rect.is_crossed(line), crosses, "{line:?}");
        }
    }
}
