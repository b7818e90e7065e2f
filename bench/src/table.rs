//! The table: for people at a terminal, and as Markdown.

use std::fmt;

use crate::stats::Spread;

/// One figure.
#[derive(Debug, Default)]
pub struct Row {
    /// As `docs/performance.md` numbers it.
    pub id: &'static str,
    /// What, and its unit.
    pub figure: String,
    /// The direct way.
    pub direct: String,
    /// nginx.
    pub nginx: String,
    /// The proxy.
    pub ours: String,
    /// The proxy over nginx, in the same round.
    pub ratio: Option<Spread>,
    /// What is held against the bound, where it is not the ratio.
    pub judged: Option<f64>,
    /// Where we must be, and where we want to be.
    pub bound: Option<Bound>,
}

/// Where a figure must be, and where we want it to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Not above these.
    AtMost { must: f64, aim: f64 },
    /// Not below these.
    AtLeast { must: f64, aim: f64 },
}

/// How a figure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Where we want to be.
    Aim,
    /// Where we must be.
    Must,
    /// Not even there.
    Over,
}

impl Bound {
    /// At most this.
    pub fn at_most(must: f64, aim: f64) -> Option<Self> {
        Some(Self::AtMost { must, aim })
    }

    /// At least this.
    pub fn at_least(must: f64, aim: f64) -> Option<Self> {
        Some(Self::AtLeast { must, aim })
    }

    fn judge(self, figure: f64) -> Verdict {
        let (must, aim) = match self {
            Self::AtMost { must, aim } => (figure <= must, figure <= aim),
            Self::AtLeast { must, aim } => (figure >= must, figure >= aim),
        };
        match (must, aim) {
            (_, true) => Verdict::Aim,
            (true, false) => Verdict::Must,
            (false, false) => Verdict::Over,
        }
    }

    fn cells(self) -> [String; 2] {
        let (sign, must, aim) = match self {
            Self::AtMost { must, aim } => ("≤", must, aim),
            Self::AtLeast { must, aim } => ("≥", must, aim),
        };
        [must, aim].map(|bound| format!("{sign} {bound}"))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Aim => "ok, aim met",
            Self::Must => "ok",
            Self::Over => "over",
        })
    }
}

impl Row {
    /// How it stands; `None` if there is nothing to hold against a bound.
    pub fn verdict(&self) -> Option<Verdict> {
        let figure = self.judged.or(self.ratio.map(|ratio| ratio.median))?;
        Some(self.bound?.judge(figure))
    }

    fn cells(&self) -> [String; 9] {
        let [must, aim] = self.bound.map(Bound::cells).unwrap_or_default();
        [
            self.id.to_owned(),
            self.figure.clone(),
            self.direct.clone(),
            self.nginx.clone(),
            self.ours.clone(),
            self.ratio.map(|ratio| ratio.to_string()).unwrap_or_default(),
            must,
            aim,
            self.verdict().map(|verdict| verdict.to_string()).unwrap_or_default(),
        ]
    }
}

const TITLES: [&str; 9] =
    ["", "figure", "direct", "nginx", "ours (range)", "ours / nginx", "must", "aim", "verdict"];
/// Columns that begin at the left; figures end at the right.
const WORDS: [usize; 3] = [0, 1, 8];

/// For a terminal.
pub fn text(rows: &[Row]) -> String {
    let lines: Vec<[String; 9]> =
        std::iter::once(TITLES.map(str::to_owned)).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    let mut text = String::new();
    for cells in &lines {
        let padded = cells.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if WORDS.contains(&column) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A section of a document.
pub fn markdown(rows: &[Row], facts: &[(&'static str, String)]) -> String {
    let mut text = String::from("## Measured\n\n");
    for (name, fact) in facts {
        text.push_str(&format!("- {name}: {fact}\n"));
    }
    text.push_str(&format!("\n| {} |\n|", TITLES.join(" | ")));
    for column in 0..TITLES.len() {
        text.push_str(if WORDS.contains(&column) { "---|" } else { "---:|" });
    }
    text.push('\n');
    for row in rows {
        text.push_str(&format!("| {} |\n", row.cells().join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ratio: f64) -> Row {
        Row {
            id: "P1",
            figure: "+ 2 KB".into(),
            ratio: Spread::of([ratio]),
            bound: Bound::at_most(2.0, 1.4),
            ..Row::default()
        }
    }

    #[test]
    fn a_figure_is_at_its_aim_or_at_its_must_or_over() {
        assert_eq!(
            [1.4, 1.5, 2.1].map(|ratio| row(ratio).verdict()),
            [Some(Verdict::Aim), Some(Verdict::Must), Some(Verdict::Over)]
        );
        let least = Row { judged: Some(99.95), bound: Bound::at_least(99.9, 100.0), ..Row::default() };
        assert_eq!(least.verdict(), Some(Verdict::Must));
        assert_eq!(Row::default().verdict(), None);
    }

    #[test]
    fn columns_stand_below_one_another() {
        let text = text(&[row(1.5), row(12.0)]);
        let lines: Vec<usize> = text.lines().map(|line| line.find('≤').unwrap_or(0)).collect();
        assert!(lines[1] == lines[2] && lines[0] == 0, "{text}");
        assert!(
            markdown(&[row(1.5)], &[("cores", "2".into())])
                .contains("| P1 | + 2 KB |  |  |  | 1.50 | ≤ 2 | ≤ 1.4 | ok |")
        );
    }
}
