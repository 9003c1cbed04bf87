//! JSON bodies in which an object is an object. Serde reads a list as a struct, member by member in the order in which
//! they were declared, at every depth: nobody means that, and the order of our members is no promise. This stands
//! between serde and the JSON and refuses it wherever a struct is asked for; everything else passes untouched.

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

const WORDS: &str =
    "a list stands where an object belongs: send its members by name, such as `{\"name\": …}`";

/// Reads a whole body.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Objects(&mut json))?;
    json.end()?;
    Ok(value)
}

/// Anything of serde, made to watch what is below it.
struct Objects<T>(T);

/// A visitor, and whether it may be shown a list.
struct Watched<V> {
    visitor: V,
    lists: bool,
}

fn free<V>(visitor: V) -> Watched<V> {
    Watched { visitor, lists: true }
}

/// A struct's visitor.
fn named<V>(visitor: V) -> Watched<V> {
    Watched { visitor, lists: false }
}

macro_rules! forward {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$name(free(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Objects<D> {
    type Error = D::Error;

    forward! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_option deserialize_unit deserialize_seq deserialize_map
        deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, free(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, free(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, free(visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple_struct(name, len, free(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, named(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, free(visitor))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! hand_on {
    ($($name:ident: $type:ty),* $(,)?) => {$(
        fn $name<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$name(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.visitor.expecting(formatter)
    }

    hand_on! {
        visit_bool: bool, visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128, visit_f32: f32,
        visit_f64: f64, visit_char: char, visit_str: &str, visit_borrowed_str: &'de str, visit_string: String,
        visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>,
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, below: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Objects(below))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, below: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Objects(below))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.lists { self.visitor.visit_seq(Objects(items)) } else { Err(A::Error::custom(WORDS)) }
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Objects(members))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, choice: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Objects(choice))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Objects<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, below: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Objects(below))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Objects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(Objects(seed))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Objects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Objects<A> {
    type Error = A::Error;
    type Variant = Objects<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, variant) = self.0.variant_seed(Objects(seed))?;
        Ok((name, Objects(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Objects<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Objects(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, free(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, named(visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Outer {
        inner: Option<Inner>,
        many: Vec<Inner>,
        named: BTreeMap<String, Inner>,
        pair: Option<(u32, Inner)>,
        choice: Option<Choice>,
        boxed: Option<Box<Inner>>,
        texts: Vec<String>,
        any: Value,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        a: u32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        Plain,
        One(Inner),
        Two(u32, Inner),
        Named { a: u32 },
    }

    fn read(body: &Value) -> Result<Outer, String> {
        super::from_slice(body.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_in_place_of_an_object_is_refused_at_every_depth() {
        for body in [
            json!([]),
            json!({ "inner": [1] }),
            json!({ "many": [{ "a": 1 }, [2]] }),
            json!({ "named": { "x": [1] } }),
            json!({ "pair": [1, [2]] }),
            json!({ "choice": { "one": [1] } }),
            json!({ "choice": { "two": [1, [2]] } }),
            json!({ "choice": { "named": [1] } }),
            json!({ "boxed": [1] }),
        ] {
            // Serde alone would take every one of them.
            assert!(serde_json::from_str::<Outer>(&body.to_string()).is_ok(), "{body}");
            let refused = read(&body).expect_err("a list is no object");
            assert!(refused.starts_with("a list stands where an object belongs"), "{body}: {refused}");
            assert!(refused.contains("line 1 column"), "{refused}");
        }
    }

    #[test]
    fn lists_stay_where_lists_belong() {
        let body = json!({
            "inner": { "a": 1 }, "many": [{ "a": 1 }], "named": { "x": { "a": 3 } }, "pair": [1, { "a": 2 }],
            "choice": { "two": [1, { "a": 2 }] }, "boxed": { "a": 1 }, "texts": ["x", "y"], "any": [[1], { "b": [] }],
        });
        assert_eq!(read(&body), Ok(serde_json::from_value(body).unwrap()));
        for choice in [json!("plain"), json!({ "one": { "a": 1 } }), json!({ "named": { "a": 1 } })] {
            let body = json!({ "choice": choice });
            assert_eq!(read(&body), Ok(serde_json::from_value(body).unwrap()));
        }
        assert!(super::from_slice::<Outer>(b"{} {}").is_err(), "one body, one value");
        assert!(super::from_slice::<Inner>(b"{\"a\":1,\"a\":2}").is_err(), "a member twice");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,5}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |below| {
            prop_oneof![
                proptest::collection::vec(below.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-e]{1,2}", below, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What asks for no struct is read as serde reads it.
        #[test]
        fn nothing_else_changes(body in any_json()) {
            let text = body.to_string();
            let ours: Result<Value, _> = super::from_slice(text.as_bytes());
            prop_assert_eq!(ours.ok(), serde_json::from_str::<Value>(&text).ok());
        }
    }
}
