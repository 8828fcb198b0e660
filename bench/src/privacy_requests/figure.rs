//! Figures: printed beside their aims, the peer's and the last committed ones, and kept as JSON.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What the peer needs for the same work: its best and its worst figure, see docs/guides/benchmarks.md.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) f64, pub(crate) f64);

/// One figure of the results file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured, in words; the name by which runs are compared.
    figure: String,
    value: f64,
    unit: String,
    /// `<=20`, where there is one.
    aim: Option<String>,
    /// The peer's own figure.
    peer: Option<String>,
    /// How many times better than the peer's best.
    ratio: Option<f64>,
}

/// What a value is held against.
#[derive(Clone, Copy, Default)]
pub(crate) struct Against {
    /// The most that it may be.
    pub(crate) aim: Option<f64>,
    /// The peer, where less is better.
    pub(crate) peer: Option<Peer>,
    /// Whether more is better.
    pub(crate) more_is_better: bool,
}

/// All figures of a run.
pub(crate) struct Figures {
    new: Vec<Figure>,
    before: BTreeMap<String, f64>,
}

impl Figures {
    /// No figures yet. Earlier ones that can't be read are as good as none.
    pub(crate) fn new(before: Option<&Path>) -> Self {
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
    pub(crate) fn add(&mut self, figure: String, value: f64, unit: &str, against: Against) {
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
            aim: against.aim.map(|aim| format!("<={aim}")),
            peer: against.peer.map(|Peer(best, worst)| {
                if best == worst {
                    best.to_string()
                } else {
                    format!("{best} to {worst}")
                }
            }),
            ratio: ratio.map(rounded),
        });
    }

    /// Shows all figures as a table.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "\n{:<72} {:>10} {:<18} {:>8} {:>6} {:>16} {:>8} {:>10}",
            "figure", "value", "unit", "aim", "", "peer", "times", "committed"
        )?;
        for figure in &self.new {
            let met = figure
                .aim
                .as_ref()
                .and_then(|aim| aim.strip_prefix("<=")?.parse::<f64>().ok())
                .map_or("", |aim| if figure.value <= aim { "met" } else { "MISSED" });
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
    pub(crate) fn save(&self, to: &Path) -> anyhow::Result<()> {
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

/// Three digits that count.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powi(2 - value.abs().log10().floor().clamp(-3.0, 2.0) as i32);
    (value * scale).round() / scale
}
