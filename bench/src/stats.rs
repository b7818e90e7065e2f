//! Medians, percentiles and ratios. Never sees a clock.

use std::fmt;

/// Several rounds of one figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// The largest.
    pub high: f64,
}

impl Spread {
    /// Of these figures; `None` if there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let sorted = sorted(figures);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        Some(Self { low, median: percentile(&sorted, 50.0)?, high })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            return formatter.write_str(&short(self.median));
        }
        write!(formatter, "{} ({}–{})", short(self.median), short(self.low), short(self.high))
    }
}

/// What can be compared, in order.
pub fn sorted(figures: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = figures.into_iter().filter(|figure| figure.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The figure below which so many per cent lie, between neighbours in proportion. `sorted` must be.
pub fn percentile(sorted: &[f64], percent: f64) -> Option<f64> {
    let place = (sorted.len().checked_sub(1)? as f64) * percent / 100.0;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// The middle one.
pub fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    percentile(&sorted(figures), 50.0)
}

/// Target minus direct, round by round.
pub fn added(target: &[f64], direct: &[f64]) -> Vec<f64> {
    target.iter().zip(direct).map(|(target, direct)| target - direct).collect()
}

/// One over the other, round by round. A round whose divisor is no positive number (it drowned in noise) says nothing; what is
/// less than nothing counts as nothing.
pub fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    let pairs = ours.iter().zip(theirs).filter(|(_, theirs)| **theirs > 0.0);
    pairs.map(|(ours, theirs)| ours.max(0.0) / theirs).collect()
}

/// Three digits that count, and thousands apart.
pub fn short(figure: f64) -> String {
    match figure.abs() {
        1000.0.. => grouped(figure.round() as i64),
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

fn grouped(figure: i64) -> String {
    let digits = figure.unsigned_abs().to_string();
    let mut text = String::from(if figure < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_between_the_two_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([f64::NAN, 7.0]), Some(7.0));
        assert_eq!(median([]), None);
    }

    #[test]
    fn a_percentile_is_taken_between_neighbours_in_proportion() {
        let sorted: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 99.0), Some(99.0));
        assert_eq!(percentile(&sorted, 0.0), Some(0.0));
        assert_eq!(percentile(&sorted, 100.0), Some(100.0));
        assert_eq!(percentile(&[1.0, 2.0], 25.0), Some(1.25));
        assert_eq!(percentile(&[], 50.0), None);
    }

    #[test]
    fn a_round_without_a_sensible_divisor_has_no_ratio() {
        let nginx = added(&[100.0, 40.0, 60.0], &[50.0, 50.0, 50.0]);
        assert_eq!(nginx, [50.0, -10.0, 10.0]);
        assert_eq!(ratios(&[60.0, 60.0, 20.0], &nginx), [1.2, 2.0]);
        assert_eq!(ratios(&[-60.0, 60.0, 20.0], &nginx), [0.0, 2.0]);
    }

    #[test]
    fn a_spread_is_printed_with_its_range() {
        let spread = Spread::of([1.5, 1.25, 1.75]).unwrap();
        assert_eq!(spread.to_string(), "1.50 (1.25–1.75)");
        assert_eq!(Spread::of([60_700.4]).unwrap().to_string(), "60,700");
        assert_eq!(Spread::of([]), None);
        assert_eq!(
            [999.6, 12.34, -1_234_567.0, 100.0].map(short),
            ["1000".to_owned(), "12.3".into(), "-1,234,567".into(), "100".into()]
        );
    }
}
