//! CBOR (RFC 8949) as authenticators write it (CTAP 2.1 §8, "canonical"): definite lengths, the shortest form of every
//! number, no tags, no floats, no key twice, at most [`DEPTH_MAX`] deep. Everything else is refused.

const DEPTH_MAX: u8 = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
    Flag(bool),
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the canonical CBOR that authenticators write")]
pub struct CborError;

/// One value and what follows it.
pub fn read(bytes: &[u8]) -> Result<(Value<'_>, &[u8]), CborError> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    Ok((value, reader.rest))
}

/// One value and nothing else.
pub fn read_whole(bytes: &[u8]) -> Result<Value<'_>, CborError> {
    match read(bytes)? {
        (value, []) => Ok(value),
        _ => Err(CborError),
    }
}

impl<'a> Value<'a> {
    fn get(&self, wanted: &Value<'_>) -> Option<&Value<'a>> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(key, _)| key == wanted).map(|(_, value)| value)
    }

    /// A member of a map with text keys.
    pub fn member(&self, name: &str) -> Option<&Value<'a>> {
        self.get(&Value::Text(name))
    }

    /// A member of a map with numbers as keys.
    pub fn label(&self, label: i64) -> Option<&Value<'a>> {
        self.get(&Value::Integer(label))
    }

    pub fn integer(&self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    pub fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(value) = self { Some(value) } else { None }
    }

    pub fn text(&self) -> Option<&'a str> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }

    pub fn array(&self) -> Option<&[Value<'a>]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], CborError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(CborError)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Major type and argument of the next item (RFC 8949 §3), the argument in its shortest form.
    fn head(&mut self) -> Result<(u8, u64), CborError> {
        let first = *self.take(1)?.first().ok_or(CborError)?;
        let (major, short) = (first >> 5, first & 0x1f);
        let (size, least) = match short {
            0..=23 => return Ok((major, u64::from(short))),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(CborError),
        };
        let argument = self.take(size)?.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        // Major type 7 holds floats in these forms.
        if argument < least || major == 7 { Err(CborError) } else { Ok((major, argument)) }
    }

    fn value(&mut self, depth: u8) -> Result<Value<'a>, CborError> {
        if depth > DEPTH_MAX {
            return Err(CborError);
        }
        let (major, argument) = self.head()?;
        let length = || usize::try_from(argument).map_err(|_| CborError);
        Ok(match major {
            0 => Value::Integer(i64::try_from(argument).map_err(|_| CborError)?),
            1 => Value::Integer(-1 - i64::try_from(argument).map_err(|_| CborError)?),
            2 => Value::Bytes(self.take(length()?)?),
            3 => Value::Text(std::str::from_utf8(self.take(length()?)?).map_err(|_| CborError)?),
            4 => {
                // No room is made for what is only announced: each item takes at least a byte that is there.
                let mut items = Vec::new();
                for _ in 0..length()? {
                    items.push(self.value(depth + 1)?);
                }
                Value::Array(items)
            }
            5 => self.map(length()?, depth)?,
            7 => match argument {
                20 => Value::Flag(false),
                21 => Value::Flag(true),
                22 => Value::Null,
                _ => return Err(CborError),
            },
            _ => return Err(CborError),
        })
    }

    fn map(&mut self, length: usize, depth: u8) -> Result<Value<'a>, CborError> {
        const KEYS_MAX: usize = 64;
        let mut pairs: Vec<(Value<'a>, Value<'a>)> = Vec::new();
        if length > KEYS_MAX {
            return Err(CborError);
        }
        for _ in 0..length {
            let key = self.value(depth + 1)?;
            let plain = matches!(key, Value::Integer(_) | Value::Text(_));
            if !plain || pairs.iter().any(|(other, _)| *other == key) {
                return Err(CborError);
            }
            let value = self.value(depth + 1)?;
            pairs.push((key, value));
        }
        Ok(Value::Map(pairs))
    }
}
