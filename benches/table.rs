//! The last of the benchmarks: everything the others have measured, in one table, beside what limits it.
//!
//! Prints it, and writes it as `docs/benchmarks/latest.json` and the shares of the limits as `latest.svg` beside it. What
//! limits what stands in `benches/limits.toml`. Only figures of this run are shown: those not older than half a day
//! before the newest.
#![expect(clippy::print_stdout, reason = "a table is what this makes")]

#[path = "table/criterion.rs"]
mod criterion;
#[path = "table/limits.rs"]
mod limits;
#[path = "table/machine.rs"]
mod machine;
#[path = "table/plot.rs"]
mod plot;

use std::fs;
use std::path::Path;

use serde::Serialize;

use self::criterion::{Figure, figures};
use self::limits::{Limit, Limits};
use self::machine::Machine;

/// A figure and its limit, if it has one.
#[derive(Serialize)]
struct Row {
    name: String,
    /// In `unit`.
    figure: f64,
    unit: &'static str,
    limit: Option<Limit>,
    /// The share of the limit that is reached: 1 is all that can be had, or what was aimed at.
    ratio: Option<f64>,
}

#[derive(Serialize)]
struct Table {
    machine: Machine,
    rows: Vec<Row>,
}

fn main() {
    // `cargo test --benches` runs this too, and has measured nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let limits = Limits::read(&root.join("benches/limits.toml"));
    let figures = figures(&criterion_folder(&root));
    let rows = figures.iter().map(|figure| row(figure, &figures, &limits)).collect();
    let table = Table { machine: Machine::look(&root), rows };
    print(&table);
    let docs = root.join("docs/benchmarks");
    let json = serde_json::to_string_pretty(&table).expect("plain values") + "\n";
    fs::create_dir_all(&docs).expect("a folder for documents");
    fs::write(docs.join("latest.json"), json).expect("the folder can be written");
    fs::write(docs.join("latest.svg"), plot::bars(&table.rows)).expect("the folder can be written");
}

fn row(figure: &Figure, all: &[Figure], limits: &Limits) -> Row {
    let limit = limits.of(figure, all);
    let ratio = limit.as_ref().map(|limit| limit.reached(figure));
    let (value, unit) = figure.shown();
    Row { name: figure.name.clone(), figure: value, unit, limit, ratio }
}

fn criterion_folder(root: &Path) -> std::path::PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    target.join("criterion")
}

fn print(table: &Table) {
    println!("\n{}", table.machine);
    println!("{:<58} {:>16}  {:>16} {:>6}  limit", "figure", "", "", "ratio");
    for row in &table.rows {
        let figure = amount(row.figure, row.unit);
        match (&row.limit, row.ratio) {
            (Some(limit), Some(ratio)) => {
                let value = amount(limit.value, limit.unit);
                println!("{:<58} {figure:>16}  {value:>16} {ratio:>6.2}  {}", row.name, limit.says);
            }
            _ => println!("{:<58} {figure:>16}", row.name),
        }
    }
}

/// With three digits or more, and a prefix of the unit where that is shorter.
fn amount(value: f64, unit: &str) -> String {
    if unit == "ns" {
        let (value, unit) = match value {
            value if value >= 1e6 => (value / 1e6, "ms"),
            value if value >= 1e3 => (value / 1e3, "us"),
            value => (value, unit),
        };
        return format!("{value:.2} {unit}");
    }
    let (value, prefix) = match value {
        value if value >= 1e9 => (value / 1e9, "G"),
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e4 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let decimals = if value >= 100.0 { 0 } else { 2 };
    format!("{value:.decimals$} {prefix}{unit}")
}
