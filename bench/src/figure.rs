//! Figures: printed beside their aims, the peer's and the last committed ones, and kept as JSON.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What the peer needs for the same work: its best and its worst figure, see docs/guides/benchmarks.md.
#[derive(Clone, Copy)]
pub struct Peer(pub f64, pub f64);

/// One figure of the results file.
#[derive(Clone, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured, in words; the name by which runs are compared.
    figure: String,
    value: f64,
    unit: String,
    /// `<=20` or `>=8000`, where there is one.
    aim: Option<String>,
    /// The peer's own figure.
    peer: Option<String>,
    /// How many times better than the peer's best.
    ratio: Option<f64>,
}

/// What a value is held against.
#[derive(Clone, Copy, Default)]
pub struct Against {
    /// The most that it may be, or the least where more is better.
    pub aim: Option<f64>,
    /// The peer.
    pub peer: Option<Peer>,
    /// Whether more is better.
    pub more_is_better: bool,
}

/// All figures of a run.
pub struct Figures {
    new: Vec<Figure>,
    before: BTreeMap<String, f64>,
}

impl Figures {
    /// No figures yet. Earlier ones that can't be read are as good as none.
    pub fn new(before: Option<&Path>) -> Self {
        let text = before
            .and_then(|path| std::fs::read(path).ok())
            .unwrap_or_default();
        let before: Vec<Figure> = serde_json::from_slice(&text).unwrap_or_default();
        Self {
            new: Vec::new(),
            before: before
                .into_iter()
                .map(|figure| (figure.figure, figure.value))
                .collect(),
        }
    }

    /// Adds a figure.
    pub fn add(&mut self, figure: String, value: f64, unit: &str, against: Against) {
        let ratio = against.peer.map(|Peer(best, _)| {
            if against.more_is_better {
                value / best
            } else {
                best / value
            }
        });
        self.new.push(Figure {
            figure,
            value: rounded(value),
            unit: unit.to_owned(),
            aim: against.aim.map(|aim| {
                let sign = if against.more_is_better { ">=" } else { "<=" };
                format!("{sign}{aim}")
            }),
            peer: against.peer.map(|Peer(best, worst)| {
                let (best, worst) = (rounded(best), rounded(worst));
                if best.to_bits() == worst.to_bits() {
                    best.to_string()
                } else {
                    format!("{best} to {worst}")
                }
            }),
            ratio: ratio.map(rounded),
        });
    }

    /// Shows all figures as a table.
    pub fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "\n{:<72} {:>10} {:<18} {:>8} {:>6} {:>16} {:>8} {:>10}",
            "figure", "value", "unit", "aim", "", "peer", "times", "committed"
        )?;
        for figure in &self.new {
            let met = match figure.is_met() {
                None => "",
                Some(true) => "met",
                Some(false) => "MISSED",
            };
            let before = self
                .before
                .get(&figure.figure)
                .map_or_else(|| "-".to_owned(), f64::to_string);
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let ratio = figure
                .ratio
                .map_or_else(|| "-".to_owned(), |ratio| ratio.to_string());
            writeln!(
                out,
                "{:<72} {:>10} {:<18} {:>8} {met:>6} {:>16} {ratio:>8} {before:>10}",
                figure.figure,
                figure.value,
                figure.unit,
                text(&figure.aim),
                text(&figure.peer)
            )?;
        }
        Ok(())
    }

    /// Writes all figures as JSON, one a line, so that a change is read in the diff.
    pub fn save(&self, to: &Path) -> anyhow::Result<()> {
        let lines = self
            .new
            .iter()
            .map(serde_json::to_string)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(std::fs::write(
            to,
            format!("[\n{}\n]\n", lines.join(",\n")),
        )?)
    }
}

impl Figure {
    fn is_met(&self) -> Option<bool> {
        let aim = self.aim.as_ref()?;
        let least = |text: &str| Some(self.value >= text.parse::<f64>().ok()?);
        let most = |text: &str| Some(self.value <= text.parse::<f64>().ok()?);
        aim.strip_prefix(">=")
            .and_then(least)
            .or_else(|| aim.strip_prefix("<=").and_then(most))
    }
}

/// Three digits that count.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powi(2 - value.abs().log10().floor().clamp(-3.0, 2.0) as i32);
    (value * scale).round() / scale
}
