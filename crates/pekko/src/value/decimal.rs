//! Integers of any size between decimal digits and big-endian bytes, as CBOR's big numbers need.
//! Quadratic, and so only up to a size.

use annals_core::{Error, Result};

/// The longest integer converted, in bytes (about 1,200 digits).
const BYTES_MAX: usize = 512;
/// Decimal digits that fit a `u32` limb together.
const DIGITS: usize = 9;
const BASE: u64 = 1_000_000_000;

/// The decimal digits of a big-endian integer.
pub(super) fn to_digits(bytes: &[u8]) -> Result<String> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = bytes.get(zeros..).unwrap_or_default();
    if bytes.len() > BYTES_MAX {
        let message = format!("an integer of {} bytes is too large to be printed", bytes.len());
        return Err(Error::unsupported(message));
    }
    // Limbs of nine decimal digits, the lowest first.
    let mut limbs: Vec<u64> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for limb in &mut limbs {
            let sum = *limb * 256 + carry;
            *limb = sum % BASE;
            carry = sum / BASE;
        }
        if carry > 0 {
            limbs.push(carry);
        }
    }
    let mut limbs = limbs.iter().rev();
    let mut digits = limbs.next().map(u64::to_string).unwrap_or_default();
    limbs.for_each(|limb| digits.push_str(&format!("{limb:0DIGITS$}")));
    Ok(digits)
}

/// The big-endian integer that `digits` (0-9 only) write.
pub(super) fn to_bytes(digits: &str) -> Result<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    for digit in digits.bytes() {
        let mut carry = u64::from(digit.wrapping_sub(b'0'));
        for byte in &mut bytes {
            let sum = u64::from(*byte) * 10 + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        if carry > 0 {
            bytes.push(carry.to_le_bytes()[0]);
        }
        if bytes.len() > BYTES_MAX {
            let message = format!("an integer of {} digits is too large for CBOR", digits.len());
            return Err(Error::invalid(message));
        }
    }
    bytes.reverse();
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_bytes_are_inverse() {
        for digits in ["1", "255", "256", "18446744073709551616", "1000000000000000000000000009"] {
            assert_eq!(to_digits(&to_bytes(digits).unwrap()).unwrap(), digits);
        }
        assert_eq!(to_digits(&[1, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap(), "18446744073709551616");
        assert_eq!(to_digits(&[]).unwrap(), "0");
        assert_eq!(to_bytes("0").unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn a_vast_integer_is_refused() {
        assert!(to_digits(&[1; BYTES_MAX + 1]).is_err());
        assert!(to_bytes(&"9".repeat(2000)).is_err());
    }
}
