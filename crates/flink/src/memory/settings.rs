//! Reading memory options with their types, older keys and defaults.

use super::error::{MemoryError, NumberKind};
use super::fraction::{multiply, parse_double, parse_float};
use super::options::{FractionOption, LegacyOptions, RangeOptions, SizeOption};
use super::size::MemorySize;
use crate::FlinkVersion;

/// The configuration as the memory model sees it, and what there is to say about it.
pub(super) struct Settings<'a> {
    pub(super) version: &'a FlinkVersion,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    /// A legacy heap size, standing in for an option that is not set.
    stand_in: Option<(&'static str, MemorySize)>,
    notes: Vec<String>,
}

/// A fraction that was checked, and the sizes between which its result must lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) min: MemorySize,
    pub(super) max: MemorySize,
    pub(super) fraction: f64,
}

/// Why a fraction and its bounds do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeFault {
    /// The smallest allowed size is above the largest.
    MinAboveMax,
    /// The fraction is negative, 1 or more, or not a number.
    Fraction,
}

impl<'a> Settings<'a> {
    pub(super) fn new(
        version: &'a FlinkVersion,
        lookup: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Self {
            version,
            lookup,
            stand_in: None,
            notes: Vec::new(),
        }
    }

    /// Adds something worth saying, once.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        (self.lookup)(key)
    }

    /// The configured text of an option, noting the use of an older key.
    fn configured(&mut self, key: &str, deprecated: Option<&str>) -> Option<String> {
        if let Some(value) = self.text(key) {
            return Some(value);
        }
        let older = deprecated?;
        let value = self.text(older)?;
        self.note(format!(
            "{older} is an older name of {key}: use the new one"
        ));
        Some(value)
    }

    /// Whether an option is set; a default does not count.
    pub(super) fn contains(&self, option: &SizeOption) -> bool {
        let stands_in = self.stand_in.is_some_and(|(key, _)| key == option.key);
        stands_in || self.contains_key(option.key, option.deprecated)
    }

    /// Whether a fraction is set; a default does not count.
    pub(super) fn contains_fraction(&self, option: &FractionOption) -> bool {
        self.contains_key(option.key, option.deprecated)
    }

    fn contains_key(&self, key: &str, deprecated: Option<&str>) -> bool {
        self.text(key).is_some() || deprecated.is_some_and(|older| self.text(older).is_some())
    }

    /// The size of an option that is set, or its default.
    pub(super) fn size(&mut self, option: &SizeOption) -> Result<MemorySize, MemoryError> {
        match self.stand_in {
            Some((key, size)) if key == option.key => return Ok(size),
            _ => {}
        }
        match self.configured(option.key, option.deprecated) {
            Some(value) => MemorySize::parse(&value).map_err(|source| MemoryError::Size {
                key: option.key,
                value,
                source,
            }),
            None => Ok(option.default.unwrap_or(MemorySize::ZERO)),
        }
    }

    /// The double behind a fraction option, not yet checked.
    pub(super) fn fraction(&mut self, option: &FractionOption) -> Result<f64, MemoryError> {
        let value = self.configured(option.key, option.deprecated);
        let text = value.as_deref().unwrap_or(option.default);
        parse_float(text).ok_or_else(|| number_error(option.key, text, NumberKind::Float))
    }

    /// A fraction with its bounds, checked to be consistent.
    pub(super) fn range(&mut self, options: &RangeOptions) -> Result<Range, MemoryError> {
        let min = self.size(&options.min)?;
        let max = self.size(&options.max)?;
        self.range_between(
            min,
            max,
            &options.fraction,
            (options.min.key, options.max.key),
        )
    }

    /// A fraction between given bounds, checked to be consistent.
    pub(super) fn range_between(
        &mut self,
        min: MemorySize,
        max: MemorySize,
        option: &FractionOption,
        bound_keys: (&'static str, &'static str),
    ) -> Result<Range, MemoryError> {
        let fraction = self.fraction(option)?;
        let fault = if min > max {
            Some(RangeFault::MinAboveMax)
        } else if (0.0..1.0).contains(&fraction) {
            None
        } else {
            Some(RangeFault::Fraction)
        };
        match fault {
            None => Ok(Range {
                min,
                max,
                fraction: fraction.abs(),
            }),
            Some(fault) => Err(MemoryError::Range {
                key: option.key,
                min_key: bound_keys.0,
                max_key: bound_keys.1,
                deprecated: option.deprecated,
                default: option.default,
                fraction,
                min,
                max,
                fault,
            }),
        }
    }

    /// A 32-bit integer option.
    pub(super) fn integer(&self, key: &'static str) -> Result<Option<i32>, MemoryError> {
        let read = |value: String| {
            value
                .parse::<i32>()
                .map_err(|_| number_error(key, &value, NumberKind::Integer))
        };
        self.text(key).map(read).transpose()
    }

    /// A 64-bit integer option.
    pub(super) fn long(&self, key: &str) -> Result<Option<i64>, MemoryError> {
        let read = |value: String| {
            value
                .parse::<i64>()
                .map_err(|_| number_error(key, &value, NumberKind::Integer))
        };
        self.text(key).map(read).transpose()
    }

    /// A floating-point option.
    pub(super) fn double(&self, key: &'static str) -> Result<Option<f64>, MemoryError> {
        let read = |value: String| {
            parse_double(&value).ok_or_else(|| number_error(key, &value, NumberKind::Float))
        };
        self.text(key).map(read).transpose()
    }

    /// A yes-or-no option.
    pub(super) fn flag(&self, key: &'static str) -> Result<bool, MemoryError> {
        match self.text(key) {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => Err(number_error(key, &value, NumberKind::Boolean)),
        }
    }

    /// Lets a legacy heap setting stand in for the option that replaced it, if that is not set.
    pub(super) fn adopt_legacy_heap(
        &mut self,
        legacy: &LegacyOptions,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), MemoryError> {
        if !self.version.reads_legacy_memory_options() || self.contains(&legacy.stands_for) {
            return Ok(());
        }
        let Some((size, origin)) = self.legacy_heap(legacy, environment)? else {
            return Ok(());
        };
        self.note(format!(
            "{origin} ({size}) is used for {}, which replaced it",
            legacy.stands_for.key
        ));
        self.stand_in = Some((legacy.stands_for.key, size));
        Ok(())
    }

    fn legacy_heap(
        &mut self,
        legacy: &LegacyOptions,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<(MemorySize, &'static str)>, MemoryError> {
        if let Some(value) = environment(legacy.variable) {
            return match MemorySize::parse(&value) {
                Ok(size) => Ok(Some((size, legacy.variable))),
                Err(source) => Err(MemoryError::LegacyVariable {
                    variable: legacy.variable,
                    value,
                    source,
                }),
            };
        }
        if self.contains(&legacy.heap) {
            return Ok(Some((self.size(&legacy.heap)?, legacy.heap.key)));
        }
        let Some(mebibytes) = self.integer(legacy.heap_mebibytes)? else {
            return Ok(None);
        };
        match u32::try_from(mebibytes) {
            Ok(mebibytes) => Ok(Some((
                MemorySize::of_mebibytes(mebibytes),
                legacy.heap_mebibytes,
            ))),
            Err(_) => Err(MemoryError::LegacyHeapNegative {
                key: legacy.heap_mebibytes,
                mebibytes,
            }),
        }
    }

    /// The fraction of `base`, brought between its bounds.
    pub(super) fn share(
        &mut self,
        part: &'static str,
        base: MemorySize,
        range: &Range,
    ) -> Result<MemorySize, MemoryError> {
        self.bounded(part, base, range.fraction, range)
    }

    /// The part that is the fraction of itself and `base` together, brought between its bounds.
    pub(super) fn inverse_share(
        &mut self,
        part: &'static str,
        base: MemorySize,
        range: &Range,
    ) -> Result<MemorySize, MemoryError> {
        let factor = range.fraction / (1.0 - range.fraction);
        self.bounded(part, base, factor, range)
    }

    fn bounded(
        &mut self,
        part: &'static str,
        base: MemorySize,
        factor: f64,
        range: &Range,
    ) -> Result<MemorySize, MemoryError> {
        let size = multiply(base, factor).ok_or(MemoryError::Overflow)?;
        if size > range.max {
            self.note(format!(
                "{part}: its fraction would be {size}, so its maximum of {} is used",
                range.max
            ));
            return Ok(range.max);
        }
        if size < range.min {
            self.note(format!(
                "{part}: its fraction would be only {size}, so its minimum of {} is used",
                range.min
            ));
            return Ok(range.min);
        }
        Ok(size)
    }
}

fn number_error(key: &str, value: &str, kind: NumberKind) -> MemoryError {
    MemoryError::Number {
        key: key.to_owned(),
        value: value.to_owned(),
        kind,
    }
}
