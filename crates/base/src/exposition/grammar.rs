//! The text format read strictly, as Prometheus' documentation and its naming rules have it, so
//! that tests find what a lenient reader forgives.

use std::collections::{BTreeMap, BTreeSet};

/// A text that was read: its series with their numbers, and its families with their types.
#[derive(Debug, Default)]
pub struct Read {
    /// The series as they are written, labels and all, with their numbers.
    pub series: BTreeMap<String, f64>,
    /// The families with their types.
    pub families: BTreeMap<String, String>,
}

#[derive(Default)]
struct Reader {
    read: Read,
    /// The family whose group this is.
    family: String,
    kind: String,
    samples: usize,
}

/// Reads a whole text, or says which line is wrong and why.
/// Reads a text, or says what is wrong with it.
pub fn read(text: &str) -> Result<Read, String> {
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut reader = Reader::default();
    for line in text.lines() {
        reader
            .line(line)
            .map_err(|reason| format!("{reason}: {line}"))?;
    }
    reader.end_of_family()?;
    check_histograms(&reader.read)?;
    Ok(reader.read)
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            self.end_of_family()?;
            let (name, help) = rest.split_once(' ').ok_or("no help text")?;
            check_name(name)?;
            if help.trim().is_empty() {
                return Err("an empty help text".to_owned());
            }
            name.clone_into(&mut self.family);
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            if name != self.family || !self.kind.is_empty() {
                return Err("a type that does not follow its help text".to_owned());
            }
            check_convention(name, kind)?;
            kind.clone_into(&mut self.kind);
            let before = self.read.families.insert(name.to_owned(), kind.to_owned());
            return before.map_or(Ok(()), |_| Err("a family in two groups".to_owned()));
        }
        if line.starts_with('#') || line.trim() != line || line.is_empty() {
            return Err("neither a sample nor a help text nor a type".to_owned());
        }
        self.sample(line)
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        if self.kind.is_empty() {
            return Err("a sample before its type".to_owned());
        }
        let (series, number) = line.rsplit_once(' ').ok_or("no number")?;
        let number: f64 = number.parse().map_err(|_| "not a number")?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        check_name(name)?;
        let suffixes: &[&str] = match self.kind.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        let fits = |suffix: &&str| name.strip_suffix(*suffix) == Some(&self.family);
        if !suffixes.iter().any(fits) {
            return Err("a sample of another family".to_owned());
        }
        if series.contains('{') {
            check_labels(labels)?;
        }
        if self.kind != "gauge" && number < 0.0 {
            return Err("a count below zero".to_owned());
        }
        self.samples += 1;
        let before = self.read.series.insert(series.to_owned(), number);
        before.map_or(Ok(()), |_| Err("a series twice".to_owned()))
    }

    fn end_of_family(&mut self) -> Result<(), String> {
        let ended = std::mem::take(&mut self.family);
        let typed = !std::mem::take(&mut self.kind).is_empty();
        self.samples = 0;
        if !ended.is_empty() && !typed {
            return Err(format!("{ended} has no type"));
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let mut letters = name.chars();
    let first = |one: char| one.is_ascii_alphabetic() || one == '_';
    let rest = |one: char| first(one) || one.is_ascii_digit();
    if letters.next().is_some_and(first) && letters.all(rest) {
        return Ok(());
    }
    Err(format!("\"{name}\" is no name"))
}

/// <https://prometheus.io/docs/practices/naming/>
fn check_convention(name: &str, kind: &str) -> Result<(), String> {
    let ends = |suffix: &str| name.ends_with(suffix);
    if !["counter", "gauge", "histogram"].contains(&kind) {
        return Err("an unknown type".to_owned());
    }
    if (kind == "counter") != ends("_total") {
        return Err("counters, and nothing else, end with _total".to_owned());
    }
    let taken = ["_bucket", "_sum", "_count"];
    let scaled = ["_ms", "_milliseconds", "_minutes", "_kb", "_mb", "_percent"];
    if taken.iter().chain(&scaled).any(|suffix| ends(suffix)) {
        return Err("a suffix that has another meaning, or no base unit".to_owned());
    }
    Ok(())
}

fn check_labels(text: &str) -> Result<(), String> {
    let mut rest = text;
    let mut seen = BTreeSet::new();
    loop {
        let (label, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        check_name(label)?;
        if label.starts_with("__") || !seen.insert(label) {
            return Err(format!("the label {label} is reserved, or there twice"));
        }
        rest = after_value(after)?;
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest == "}" => return Ok(()),
            None => return Err("labels without an end".to_owned()),
        }
    }
}

/// What follows the closing quotation mark of a value.
fn after_value(text: &str) -> Result<&str, String> {
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok(text.get(at + 1..).unwrap_or_default()),
            '\\' => match letters.next() {
                Some((_, '\\' | '"' | 'n')) => {}
                _ => return Err("an unknown escape".to_owned()),
            },
            _ => {}
        }
    }
    Err("a value without an end".to_owned())
}

fn check_histograms(read: &Read) -> Result<(), String> {
    let histograms = read
        .families
        .iter()
        .filter(|(_, kind)| *kind == "histogram");
    for (name, _) in histograms {
        let of = |series: String| read.series.get(&series).copied();
        let count = of(format!("{name}_count")).ok_or("a histogram without count")?;
        of(format!("{name}_sum")).ok_or("a histogram without sum")?;
        let all = of(format!("{name}_bucket{{le=\"+Inf\"}}"));
        if all != Some(count) {
            return Err(format!("{name}: not everything is at most infinite"));
        }
        let prefix = format!("{name}_bucket{{le=\"");
        let mut buckets: Vec<(f64, f64)> = read
            .series
            .iter()
            .filter_map(|(series, below)| {
                let bound = series.strip_prefix(&prefix)?.strip_suffix("\"}")?;
                Some((bound.parse().ok()?, *below))
            })
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        if !buckets.is_sorted_by(|one, other| one.1 <= other.1) {
            return Err(format!("{name}: a bucket holds less than a smaller one"));
        }
    }
    Ok(())
}
