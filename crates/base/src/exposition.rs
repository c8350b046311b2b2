//! Numbers for a monitoring system, in the Prometheus text format (version 0.0.4), which every
//! Prometheus and every collector that follows it reads.
//!
//! Owns the form: what a family, a label and a number look like, and that a family has a help
//! text and a type before its first sample. Never counts anything by itself.

use std::fmt::Write as _;
use std::time::Duration;

#[cfg(any(test, feature = "grammar"))]
pub mod grammar;
#[cfg(test)]
mod tests;

/// What HTTP calls the format.
pub const EXPOSITION_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that is being written: families one after another.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

/// A family that is being written.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

/// A sample's number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A count.
    Whole(u64),
    /// A measure, in base units: seconds, bytes.
    Real(f64),
}

/// How often a measure was at most so much.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above all of them.
    counts: Vec<u64>,
    sum: f64,
}

impl Exposition {
    /// A number that only grows, from 0 at the process's start. Its name ends with `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, help, "counter")
    }

    /// A number as it is now.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, help, "gauge")
    }

    /// A distribution.
    pub fn histogram(&mut self, name: &'static str, help: &str, histogram: &Histogram) {
        let text = self.family(name, help, "histogram").text;
        let mut below = 0;
        let bounds = histogram.bounds.iter().map(ToString::to_string);
        let bounds = bounds.chain(["+Inf".to_owned()]);
        // Writing to a string has no way to fail.
        for (bound, count) in bounds.zip(&histogram.counts) {
            below += count;
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(text, "{name}_sum {}", histogram.sum);
        let _ = writeln!(text, "{name}_count {below}");
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }

    fn family(&mut self, name: &'static str, help: &str, kind: &str) -> Family<'_> {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family {
            text: &mut self.text,
            name,
        }
    }
}

impl Family<'_> {
    /// The family's only sample.
    pub fn only(&mut self, number: impl Into<Number>) {
        self.sample(&[], number);
    }

    /// One sample of several, told apart by labels.
    pub fn sample(&mut self, labels: &[(&str, &str)], number: impl Into<Number>) {
        self.text.push_str(self.name);
        for (at, (label, value)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{label}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = match number.into() {
            Number::Whole(whole) => writeln!(self.text, " {whole}"),
            Number::Real(real) => writeln!(self.text, " {real}"),
        };
    }
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

impl Histogram {
    /// An empty one with these bounds, ascending.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    /// Takes a measure in.
    pub fn observe(&mut self, measure: f64) {
        let at = self.bounds.iter().position(|bound| measure <= *bound);
        if let Some(count) = self.counts.get_mut(at.unwrap_or(self.bounds.len())) {
            *count += 1;
        }
        self.sum += measure;
    }
}

impl From<u64> for Number {
    fn from(whole: u64) -> Self {
        Self::Whole(whole)
    }
}

impl From<u32> for Number {
    fn from(whole: u32) -> Self {
        Self::Whole(whole.into())
    }
}

impl From<usize> for Number {
    fn from(whole: usize) -> Self {
        Self::Whole(u64::try_from(whole).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Number {
    fn from(is: bool) -> Self {
        Self::Whole(is.into())
    }
}

impl From<f64> for Number {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<Duration> for Number {
    fn from(length: Duration) -> Self {
        Self::Real(length.as_secs_f64())
    }
}
