//! CBOR documents as JSON values and back.
//!
//! Byte strings stand as `{"base64": "…"}`; big numbers and decimals as numbers; a fraction without a
//! form in JSON as the text that Jackson writes for it (`"NaN"`); keys that are no texts as their
//! texts; other tags are dropped.

use annals_core::{Error, Result};
use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value};

use super::{decimal, exact_number, raw_bytes, raw_json};

const TAG_POSITIVE: u64 = 2;
const TAG_NEGATIVE: u64 = 3;
const TAG_DECIMAL: u64 = 4;
/// Decimals with up to so many places are written with a point, others with an exponent.
const PLACES_MAX: usize = 40;

/// A document as JSON. Recursion ends where the decoder's depth limit ended it.
pub(crate) fn to_json(document: Cbor) -> Result<Value> {
    Ok(match document {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => value.into(),
        Cbor::Integer(value) => exact_number(&i128::from(value).to_string())?.into(),
        Cbor::Float(value) => match Number::from_f64(value) {
            Some(number) => number.into(),
            None if value.is_nan() => "NaN".into(),
            None if value > 0.0 => "Infinity".into(),
            None => "-Infinity".into(),
        },
        Cbor::Text(text) => text.into(),
        Cbor::Bytes(bytes) => raw_json(&bytes),
        Cbor::Array(items) => Value::Array(items.into_iter().map(to_json).collect::<Result<_>>()?),
        Cbor::Map(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                object.insert(key_text(key)?, to_json(value)?);
            }
            Value::Object(object)
        }
        Cbor::Tag(tag, inner) => match (tag, *inner) {
            (TAG_POSITIVE | TAG_NEGATIVE, Cbor::Bytes(bytes)) => {
                exact_number(&big_integer(tag, bytes)?)?.into()
            }
            (TAG_DECIMAL, Cbor::Array(parts)) => big_decimal(parts)?,
            (_, inner) => to_json(inner)?,
        },
        _ => return Err(Error::unsupported("a CBOR document holds an unknown kind of value")),
    })
}

/// A value as a document.
pub(crate) fn to_bytes(value: &Value) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&from_json(value)?, &mut bytes)
        .map_err(|error| Error::internal(format!("CBOR could not be written: {error}")))?;
    Ok(bytes)
}

fn from_json(value: &Value) -> Result<Cbor> {
    Ok(match value {
        Value::Null => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(*value),
        Value::Number(number) => from_number(number)?,
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(items) => Cbor::Array(items.iter().map(from_json).collect::<Result<_>>()?),
        Value::Object(object) => match raw_bytes(value) {
            Some(bytes) => Cbor::Bytes(bytes),
            None => Cbor::Map(
                object
                    .iter()
                    .map(|(key, value)| Ok((Cbor::Text(key.clone()), from_json(value)?)))
                    .collect::<Result<_>>()?,
            ),
        },
    })
}

fn from_number(number: &Number) -> Result<Cbor> {
    if let Some(value) = number.as_i64() {
        return Ok(Cbor::Integer(value.into()));
    }
    if let Some(value) = number.as_u64() {
        return Ok(Cbor::Integer(value.into()));
    }
    let text = number.to_string();
    let digits = text.strip_prefix('-').unwrap_or(&text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return big_from_digits(digits, digits.len() < text.len());
    }
    match number.as_f64() {
        Some(value) => Ok(Cbor::Float(value)),
        None => Err(Error::invalid(format!("the number {text} is too large for CBOR"))),
    }
}

fn big_from_digits(digits: &str, negative: bool) -> Result<Cbor> {
    let mut bytes = decimal::to_bytes(digits)?;
    if negative {
        // CBOR keeps -1 - n: subtract one from the magnitude.
        for byte in bytes.iter_mut().rev() {
            let (less, borrow) = byte.overflowing_sub(1);
            *byte = less;
            if !borrow {
                break;
            }
        }
    }
    let tag = if negative { TAG_NEGATIVE } else { TAG_POSITIVE };
    Ok(Cbor::Tag(tag, Box::new(Cbor::Bytes(bytes))))
}

fn big_integer(tag: u64, mut bytes: Vec<u8>) -> Result<String> {
    if tag == TAG_POSITIVE {
        return decimal::to_digits(&bytes);
    }
    // -1 - n: add one to the magnitude.
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        (*byte, carry) = byte.overflowing_add(1);
        if !carry {
            break;
        }
    }
    if carry {
        bytes.insert(0, 1);
    }
    Ok(format!("-{}", decimal::to_digits(&bytes)?))
}

/// A decimal: `[exponent, mantissa]` to the base of ten.
fn big_decimal(parts: Vec<Cbor>) -> Result<Value> {
    let malformed = || Error::corrupt("a decimal in CBOR is not [exponent, mantissa]");
    let Ok([exponent, mantissa]) = <[Cbor; 2]>::try_from(parts) else {
        return Err(malformed());
    };
    let exponent = exponent.as_integer().map(i128::from).ok_or_else(malformed)?;
    let mantissa = match mantissa {
        Cbor::Integer(value) => i128::from(value).to_string(),
        Cbor::Tag(tag @ (TAG_POSITIVE | TAG_NEGATIVE), inner) => {
            big_integer(tag, inner.into_bytes().map_err(|_| malformed())?)?
        }
        _ => return Err(malformed()),
    };
    let places = usize::try_from(-exponent).ok().filter(|places| *places <= PLACES_MAX);
    let text = match places {
        Some(0) => mantissa,
        Some(places) => with_point(&mantissa, places),
        None => format!("{mantissa}e{exponent}"),
    };
    // Without exact numbers this is the nearest fraction; one past all fractions stays a text.
    Ok(text.parse().map_or_else(|_| text.into(), Value::Number))
}

fn with_point(mantissa: &str, places: usize) -> String {
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{sign}{whole}.{fraction}")
}

fn key_text(key: Cbor) -> Result<String> {
    match key {
        Cbor::Text(text) => Ok(text),
        Cbor::Integer(value) => Ok(i128::from(value).to_string()),
        Cbor::Bool(value) => Ok(value.to_string()),
        Cbor::Tag(_, inner) => key_text(*inner),
        _ => Err(Error::unsupported("a map in CBOR has a key without a text form")),
    }
}
