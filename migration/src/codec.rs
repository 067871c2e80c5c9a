//! Section payloads: `serde` values in `bincode`'s fixed-width little-endian form, with a limit.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest payload that any section may have, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 16 << 20;

/// A payload that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value has no encoding.
    #[error("cannot encode the state: {0}")]
    Encode(#[from] bincode::error::EncodeError),
    /// The bytes are no such value.
    #[error("cannot decode the state: {0}")]
    Decode(#[from] bincode::error::DecodeError),
    /// Bytes are left over after the value.
    #[error("cannot decode the state: {extra} bytes follow it")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// The payload exceeds its limit.
    #[error("a payload of {found} bytes exceeds the limit of {limit}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard()
        .with_fixed_int_encoding()
        .with_little_endian()
        .with_limit::<MAX_PAYLOAD_BYTES>()
}

/// Encodes a value.
///
/// # Errors
/// [`CodecError::Encode`], [`CodecError::TooLong`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::serde::encode_to_vec(value, config())?;
    if bytes.len() > MAX_PAYLOAD_BYTES {
        return Err(CodecError::TooLong {
            found: bytes.len(),
            limit: MAX_PAYLOAD_BYTES,
        });
    }
    Ok(bytes)
}

/// Decodes a value which fills the payload exactly; never allocates more than the limit.
///
/// # Errors
/// [`CodecError::TooLong`], [`CodecError::Decode`], [`CodecError::Trailing`].
pub fn decode<T: DeserializeOwned>(payload: &[u8], limit: usize) -> Result<T, CodecError> {
    let limit = limit.min(MAX_PAYLOAD_BYTES);
    if payload.len() > limit {
        return Err(CodecError::TooLong {
            found: payload.len(),
            limit,
        });
    }
    let (value, used) = bincode::serde::decode_from_slice(payload, config())?;
    match payload.len() - used {
        0 => Ok(value),
        extra => Err(CodecError::Trailing { extra }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_and_nothing_else_is_taken() {
        let value = (7u64, vec![1u8, 2, 3], Some(-4i32));
        let bytes = encode(&value).unwrap();
        assert_eq!(
            decode::<(u64, Vec<u8>, Option<i32>)>(&bytes, 1 << 10).unwrap(),
            value
        );
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(
            decode::<(u64, Vec<u8>, Option<i32>)>(&longer, 1 << 10),
            Err(CodecError::Trailing { extra: 1 })
        ));
        assert!(matches!(
            decode::<(u64, Vec<u8>, Option<i32>)>(&bytes, 4),
            Err(CodecError::TooLong { limit: 4, .. })
        ));
    }

    #[test]
    fn a_length_that_promises_more_than_there_is_allocates_nothing_large() {
        let bytes = u64::MAX.to_le_bytes();
        assert!(matches!(
            decode::<Vec<u8>>(&bytes, 1 << 10),
            Err(CodecError::Decode(_))
        ));
    }
}
