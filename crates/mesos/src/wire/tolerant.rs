//! What the master's JSON may look like: `null` for absent, numbers as text, base64 for bytes.
//!
//! Owns the readings and writings that serde does not have. Never knows a message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number, or its text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Loose {
    Number(serde_json::Number),
    Text(String),
}

/// A repeated field: `null` is empty.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    input: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// A whole number: `5`, `5.0` or `"5"`.
pub(super) fn integer<'de, D: Deserializer<'de>, T: TryFrom<i128>>(
    input: D,
) -> Result<T, D::Error> {
    whole(&Loose::deserialize(input)?).ok_or_else(|| D::Error::custom("expected a whole number"))
}

/// A whole number that may be absent or `null`.
pub(super) fn optional_integer<'de, D: Deserializer<'de>, T: TryFrom<i128>>(
    input: D,
) -> Result<Option<T>, D::Error> {
    match Option::<Loose>::deserialize(input)? {
        None => Ok(None),
        Some(loose) => whole(&loose)
            .map(Some)
            .ok_or_else(|| D::Error::custom("expected a whole number")),
    }
}

fn whole<T: TryFrom<i128>>(loose: &Loose) -> Option<T> {
    let wide = match loose {
        Loose::Text(text) => text.parse().ok()?,
        Loose::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(signed), _, _) => i128::from(signed),
            (_, Some(unsigned), _) => i128::from(unsigned),
            (_, _, Some(real)) => whole_real(real)?,
            _ => return None,
        },
    };
    T::try_from(wide).ok()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be whole and small"
)]
fn whole_real(real: f64) -> Option<i128> {
    (real.fract() == 0.0 && real.abs() < 1e15).then_some(real as i128)
}

/// A double: a number, or one of the texts for it; `"Infinity"` and `"-Infinity"` are how the
/// master writes what JSON has no number for.
pub(super) mod double {
    use super::{Deserialize, Deserializer, Error, Loose, Serializer};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<f64, D::Error> {
        let value = match Loose::deserialize(input)? {
            Loose::Number(number) => number.as_f64(),
            Loose::Text(text) => match text.as_str() {
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                other => other.parse().ok(),
            },
        };
        value.ok_or_else(|| D::Error::custom("expected a number"))
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(in super::super) fn serialize<S: Serializer>(
        value: &f64,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        if value.is_infinite() {
            output.serialize_str(if *value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            })
        } else {
            output.serialize_f64(*value)
        }
    }
}

/// Bytes, base64 in JSON (RFC 4648 section 4).
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Base64Bytes(pub Vec<u8>);

impl std::fmt::Debug for Base64Bytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // They may be secrets, and they may be long.
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl Serialize for Base64Bytes {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64Bytes {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        Ok(Self(bytes))
    }
}
