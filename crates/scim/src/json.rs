//! JSON as it is received. No member stands twice, in no spelling: of two readers one would take the first and the other
//! the last, and names of attributes have no case (RFC 7643 §2.1).

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::Error;
use crate::error::quote;

pub(crate) fn read(bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice::<Strict>(bytes)
        .map(|Strict(value)| value)
        .map_err(|error| Error::syntax(format!("the body is no JSON document: {error}")))
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Strict)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let (mut out, mut names) = (Map::new(), HashSet::new());
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if !names.insert(name.to_ascii_lowercase()) {
                return Err(A::Error::custom(format_args!("`{}` stands twice", quote(&name))));
            }
            out.insert(name, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_it_stands() {
        let text = r#"{"a":[1,-2,0.5,true,null,"x"],"b":{"a":{}},"c":18446744073709551615}"#;
        assert_eq!(read(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert!(read(b"{").is_err() && read(b"{} x").is_err());
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
    }

    /// Security: what is checked here and what somebody else reads are the same.
    #[test]
    fn no_member_stands_twice_at_any_depth() {
        for text in [
            r#"{"userName":"a","userName":"b"}"#,
            r#"{"userName":"a","USERNAME":"b"}"#,
            r#"{"name":{"formatted":"a","formatted":"b"}}"#,
            r#"{"Operations":[{"op":"add","op":"remove"}]}"#,
            r#"{"emails":[{"value":"a","Value":"b"}]}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            let refused = read(text.as_bytes()).expect_err(text);
            assert!(refused.status == 400 && refused.detail.contains("stands twice"), "{refused}");
        }
    }
}
