//! Texts laid side by side by the fewest edits.

/// For each character of `pivot`, the index of the character of `other` that stands for it; none where it is missing.
/// Characters of `other` that stand for none are passed over.
pub(super) fn align(pivot: &[char], other: &[char]) -> Vec<Option<usize>> {
    let width = other.len() + 1;
    let mut cost: Vec<usize> = (0..width).collect();
    for (i, p) in pivot.iter().enumerate() {
        for j in 0..width {
            let above = cost.get(i * width + j).copied().unwrap_or(0) + 1;
            let best = match j.checked_sub(1) {
                None => above,
                Some(before) => {
                    let same = other.get(before) == Some(p);
                    let diagonal = cost.get(i * width + before).copied().unwrap_or(0) + usize::from(!same);
                    let left = cost.last().copied().unwrap_or(0) + 1;
                    diagonal.min(above).min(left)
                }
            };
            cost.push(best);
        }
    }
    backtrack(pivot, other, &cost)
}

fn backtrack(pivot: &[char], other: &[char], cost: &[usize]) -> Vec<Option<usize>> {
    let width = other.len() + 1;
    let at = |i: usize, j: usize| cost.get(i * width + j).copied().unwrap_or(usize::MAX);
    let mut places = vec![None; pivot.len()];
    let (mut i, mut j) = (pivot.len(), other.len());
    while i > 0 && j > 0 {
        let here = at(i, j);
        let differs = usize::from(pivot.get(i - 1) != other.get(j - 1));
        if here == at(i - 1, j - 1) + differs {
            if let Some(place) = places.get_mut(i - 1) {
                *place = Some(j - 1);
            }
            (i, j) = (i - 1, j - 1);
        } else if here == at(i - 1, j) + 1 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    places
}

/// Insertions, deletions and substitutions that turn one text into the other.
pub(crate) fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(pivot: &str, other: &str) -> Vec<Option<usize>> {
        align(&pivot.chars().collect::<Vec<_>>(), &other.chars().collect::<Vec<_>>())
    }

    #[test]
    fn a_missing_character_leaves_a_gap_where_it_is_missing() {
        assert_eq!(places("ABC", "ABC"), [Some(0), Some(1), Some(2)]);
        assert_eq!(places("ABCD", "ACD"), [Some(0), None, Some(1), Some(2)]);
        assert_eq!(places("ACD", "ABCD"), [Some(0), Some(2), Some(3)]);
        assert_eq!(places("ABC", "AXC"), [Some(0), Some(1), Some(2)]);
        assert_eq!(places("AB", ""), [None, None]);
        assert!(places("", "AB").is_empty());
    }

    #[test]
    fn distances_are_the_usual_ones() {
        for (a, b, edits) in [("", "", 0), ("A", "", 1), ("KITTEN", "SITTING", 3), ("AB12", "A812", 1), ("AB", "BA", 2)]
        {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }
}
