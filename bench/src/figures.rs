//! What was measured, round by round, and how it is set against nginx.

use std::collections::BTreeMap;

use crate::stats::{self, Spread, short};
use crate::table::{Bound, Row};
use crate::world::Target;

/// What was measured: a name, who answered, a figure a round.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<(String, Target), Vec<f64>>);

impl Figures {
    /// The figure of one more round.
    pub fn push(&mut self, name: impl Into<String>, target: Target, figure: Option<f64>) {
        self.0.entry((name.into(), target)).or_default().push(figure.unwrap_or(f64::NAN));
    }

    /// The figures of all rounds; none if the target was not there.
    pub fn of(&self, name: &str, target: Target) -> &[f64] {
        self.0.get(&(name.to_owned(), target)).map_or(&[], Vec::as_slice)
    }

    /// As a cell: the median, and the range if it is `ranged`.
    pub fn cell(&self, name: &str, target: Target, ranged: bool) -> String {
        cell(self.of(name, target), "", ranged)
    }

    /// A row for what is added to the direct way, over what `other` adds.
    pub fn added_row(
        &self,
        id: &'static str,
        label: &str,
        name: &str,
        other: Target,
        bound: Option<Bound>,
    ) -> Row {
        let direct = self.of(name, Target::Direct);
        let theirs = stats::added(self.of(name, other), direct);
        let ours = stats::added(self.of(name, Target::Ours), direct);
        Row {
            id,
            figure: format!("+ {label}"),
            direct: cell(direct, "", false),
            nginx: cell(&theirs, "+", false),
            ours: cell(&ours, "+", true),
            ratio: Spread::of(stats::ratios(&ours, &theirs)),
            bound,
            ..Row::default()
        }
    }

    /// A row for what `target` adds to `base`, over what nginx adds to the direct way.
    pub fn more_row(&self, label: &str, name: &str, base: Target, target: Target) -> Row {
        let direct = self.of(name, Target::Direct);
        let theirs = stats::added(self.of(name, Target::Nginx), direct);
        let more = stats::added(self.of(name, target), self.of(name, base));
        Row {
            figure: format!("+ {label}"),
            direct: cell(direct, "", false),
            nginx: cell(&theirs, "+", false),
            ours: cell(&more, "+", true),
            ratio: Spread::of(stats::ratios(&more, &theirs)),
            ..Row::default()
        }
    }

    /// A row for what is compared as it is.
    pub fn plain_row(&self, id: &'static str, label: &str, name: &str, bound: Option<Bound>) -> Row {
        let (theirs, ours) = (self.of(name, Target::Nginx), self.of(name, Target::Ours));
        Row {
            id,
            figure: label.to_owned(),
            direct: self.cell(name, Target::Direct, false),
            nginx: self.cell(name, Target::Nginx, false),
            ours: self.cell(name, Target::Ours, true),
            ratio: Spread::of(stats::ratios(ours, theirs)),
            bound,
            ..Row::default()
        }
    }

    /// A row for what is held against a bound by itself; nginx's figure stands beside it.
    pub fn own_row(&self, id: &'static str, label: &str, name: &str, bound: Option<Bound>) -> Row {
        let judged = stats::median(self.of(name, Target::Ours).iter().copied());
        Row { ratio: None, judged, ..self.plain_row(id, label, name, bound) }
    }
}

fn cell(figures: &[f64], sign: &str, ranged: bool) -> String {
    let Some(spread) = Spread::of(figures.iter().copied()) else { return String::new() };
    let sign = if spread.median < 0.0 { "" } else { sign };
    if ranged { format!("{sign}{spread}") } else { format!("{sign}{}", short(spread.median)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let mut figures = Figures::default();
        for (direct, nginx, ours) in [(50.0, 100.0, 110.0), (60.0, 100.0, 160.0), (50.0, 90.0, 110.0)] {
            figures.push("x", Target::Direct, Some(direct));
            figures.push("x", Target::Nginx, Some(nginx));
            figures.push("x", Target::Ours, Some(ours));
        }
        let row = figures.added_row("P1", "x, µs", "x", Target::Nginx, None);
        assert_eq!(row.ratio, Spread::of([1.2, 2.5, 1.5]));
        assert_eq!((row.direct.as_str(), row.nginx.as_str()), ("50.0", "+40.0"));
        assert_eq!(row.ours, "+60.0 (60.0–100)");
    }

    #[test]
    fn without_nginx_there_is_no_ratio() {
        let mut figures = Figures::default();
        figures.push("x", Target::Direct, Some(50.0));
        figures.push("x", Target::Ours, Some(60.0));
        let row = figures.added_row("P1", "x, µs", "x", Target::Nginx, None);
        assert_eq!((row.ratio, row.nginx.as_str(), row.ours.as_str()), (None, "", "+10.0"));
    }
}
