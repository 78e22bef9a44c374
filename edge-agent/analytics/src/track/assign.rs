//! Best one-to-one assignment of rows to columns (Kuhn and Munkres, with potentials, as given by Jonker and Volgenant).

/// A cost that no allowed pair reaches.
const FORBIDDEN: f64 = 1e6;

/// Pairs rows with columns so that as many allowed pairs as pay and the least total cost result. `cost` gives none for
/// a pair that must not be made. Time grows with the cube of the smaller side.
pub(super) fn assign(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> Option<f32>) -> Vec<(usize, usize)> {
    if rows == 0 || columns == 0 {
        return Vec::new();
    }
    if rows > columns {
        let mut pairs = solve(columns, rows, |column, row| cost(row, column));
        for pair in &mut pairs {
            *pair = (pair.1, pair.0);
        }
        pairs.sort_unstable();
        return pairs;
    }
    let mut pairs = solve(rows, columns, cost);
    pairs.sort_unstable();
    pairs
}

/// The algorithm proper, for `rows <= columns`; index 0 of every table is the free row or column.
fn solve(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> Option<f32>) -> Vec<(usize, usize)> {
    let table: Vec<f64> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| cost(row, column).filter(|c| c.is_finite()).map_or(FORBIDDEN, f64::from))
        .collect();
    let mut search = Search {
        columns,
        table: &table,
        row_potential: vec![0.0; rows + 1],
        column_potential: vec![0.0; columns + 1],
        row_of: vec![0; columns + 1],
        way: vec![0; columns + 1],
    };
    for row in 1..=rows {
        search.place(row);
    }
    let placed = search.row_of.iter().enumerate().skip(1).filter(|(_, row)| **row > 0);
    placed
        .map(|(column, row)| (row - 1, column - 1))
        .filter(|(row, column)| table.get(row * columns + column).is_some_and(|c| *c < FORBIDDEN))
        .collect()
}

struct Search<'a> {
    columns: usize,
    table: &'a [f64],
    row_potential: Vec<f64>,
    column_potential: Vec<f64>,
    /// The row that holds each column; 0 for none.
    row_of: Vec<usize>,
    /// The column before each one on the cheapest path.
    way: Vec<usize>,
}

/// All indices below come from `0..=rows` and `0..=columns`, the lengths of the tables.
impl Search<'_> {
    /// Finds the cheapest alternating path from `row` to a free column and turns it over.
    fn place(&mut self, row: usize) {
        let mut least = vec![f64::INFINITY; self.columns + 1];
        let mut done = vec![false; self.columns + 1];
        let mut current = 0;
        self.row_of[0] = row;
        loop {
            done[current] = true;
            let (next, step) = self.cheapest(current, &done, &mut least);
            self.shift(step, &done, &mut least);
            current = next;
            if self.row_of[current] == 0 {
                break;
            }
        }
        while current != 0 {
            let before = self.way[current];
            self.row_of[current] = self.row_of[before];
            current = before;
        }
    }

    /// Looks from the row of column `from` at every column not done; the nearest one and its distance.
    fn cheapest(&mut self, from: usize, done: &[bool], least: &mut [f64]) -> (usize, f64) {
        let row = self.row_of[from];
        let (mut next, mut step) = (0, f64::INFINITY);
        for column in 1..=self.columns {
            if done[column] {
                continue;
            }
            let cost = self.table[(row - 1) * self.columns + column - 1];
            let reduced = cost - self.row_potential[row] - self.column_potential[column];
            if reduced < least[column] {
                least[column] = reduced;
                self.way[column] = from;
            }
            if least[column] < step {
                step = least[column];
                next = column;
            }
        }
        (next, step)
    }

    fn shift(&mut self, step: f64, done: &[bool], least: &mut [f64]) {
        for column in 0..=self.columns {
            if done[column] {
                self.row_potential[self.row_of[column]] += step;
                self.column_potential[column] -= step;
            } else {
                least[column] -= step;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn best_by_trial(costs: &[Vec<f32>], row: usize, taken: &mut Vec<usize>) -> f32 {
        if row == costs.len() {
            return 0.0;
        }
        let mut best = f32::INFINITY;
        for column in 0..costs[row].len() {
            if !taken.contains(&column) {
                taken.push(column);
                best = best.min(costs[row][column] + best_by_trial(costs, row + 1, taken));
                taken.pop();
            }
        }
        best
    }

    #[test]
    fn a_greedy_choice_is_given_up_where_that_is_cheaper() {
        let costs = [[1.0, 2.0], [1.5, 9.0]];
        assert_eq!(assign(2, 2, |r, c| Some(costs[r][c])), [(0, 1), (1, 0)]);
    }

    #[test]
    fn forbidden_pairs_are_never_made() {
        assert!(assign(2, 3, |_, _| None).is_empty());
        assert_eq!(assign(2, 1, |r, _| (r == 1).then_some(0.5)), [(1, 0)]);
        assert!(assign(1, 1, |_, _| Some(f32::NAN)).is_empty());
    }

    proptest! {
        #[test]
        fn the_total_is_the_least_there_is(
            costs in (1_usize..5, 1_usize..6).prop_flat_map(|(rows, more)| {
                proptest::collection::vec(proptest::collection::vec(0.0_f32..1.0, rows + more - 1), rows)
            })
        ) {
            let pairs = assign(costs.len(), costs[0].len(), |r, c| Some(costs[r][c]));
            prop_assert_eq!(pairs.len(), costs.len());
            let total: f32 = pairs.iter().map(|(r, c)| costs[*r][*c]).sum();
            prop_assert!((total - best_by_trial(&costs, 0, &mut Vec::new())).abs() < 1e-4);
            let turned = assign(costs[0].len(), costs.len(), |r, c| Some(costs[c][r]));
            let total_turned: f32 = turned.iter().map(|(r, c)| costs[*c][*r]).sum();
            prop_assert!((total - total_turned).abs() < 1e-4);
        }
    }
}
