//! Extractors that reject with an [`ApiError`] naming the field.

use std::{fmt::Display, str::FromStr};

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Request,
        path::ErrorKind,
        rejection::{BytesRejection, PathRejection},
    },
    http::{StatusCode, header::CONTENT_TYPE, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};
use shared::FieldError;
use utoipa::openapi::{
    ObjectBuilder,
    schema::{Object, Type},
};

use super::error::ApiError;

/// Maximum size of a JSON body in bytes.
pub const JSON_LIMIT: usize = 1 << 20;

/// The request's body as JSON.
pub struct Json<T>(pub T);

/// The query of the request's URL.
pub struct Query<T>(pub T);

/// The variable parts of the request's path.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !kind.is_some_and(is_json) {
            return Err(ApiError::MediaType(
                "send the body as JSON, with Content-Type: application/json".into(),
            ));
        }
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
                BytesRejection::FailedToBufferBody(e)
                    if e.status() == StatusCode::PAYLOAD_TOO_LARGE =>
                {
                    ApiError::TooLarge("a JSON body takes at most 1 MiB".into())
                }
                other => ApiError::BadBody(other.body_text()),
            })?;
        decode(&bytes).map(Self)
    }
}

fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Reads JSON. Text that is not JSON is an error of the body, a wrong value an error of its field.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        if cause.is_data() {
            ApiError::Invalid(vec![field_error(&path, without_place(&cause))])
        } else {
            ApiError::BadBody(format!("the body is not JSON: {cause}"))
        }
    })?;
    json.end().map_err(|error| ApiError::BadBody(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

/// The error without "at line 1 column 17": the field's path is more helpful.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // `?study=&phase=probe` means what `?phase=probe` means: forms also send empty fields.
        let query = parts.uri.query().unwrap_or_default();
        let given = form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty());
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| {
            let path = error.path().to_string();
            let given = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| *name == path);
            let value = given.map(|(_, value)| value.into_owned()).unwrap_or_default();
            let message = in_words(&value, &error.into_inner().to_string());
            ApiError::Malformed(field_error(&path, message))
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|rejection| path_error(&rejection))
    }
}

/// A place in a list or a stream: a whole number that the database can hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Place(i64);

impl Place {
    /// As a number of events, which the database numbers from 1.
    pub fn number(self) -> i64 {
        self.0
    }

    /// As a number of items to skip.
    pub fn count(self) -> u64 {
        self.0.unsigned_abs()
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().ok().filter(|&place| place >= 0).map(Self).ok_or_else(|| {
            format!(
                "takes a whole number from 0 to {}, not {:?}",
                i64::MAX,
                beginning(text, REPEATED)
            )
        })
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Maximum length of a text to search for, in characters. No name, tag or label is longer.
const SEARCH_LENGTH: usize = 200;

/// A text to search for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Search(String);

impl TryFrom<String> for Search {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let length = text.chars().count();
        if length > SEARCH_LENGTH {
            return Err(format!("takes at most {SEARCH_LENGTH} characters, not {length}"));
        }
        Ok(Self(text))
    }
}

impl From<Search> for String {
    fn from(search: Search) -> Self {
        search.0
    }
}

/// Most characters of a wrong value that a message repeats.
pub const REPEATED: usize = 80;

/// The first characters of a text, and an ellipsis if there are more.
pub fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The schema of a parameter that takes one of some words.
pub fn words<'w>(words: impl IntoIterator<Item = &'w str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

/// Parses a query parameter.
///
/// # Errors
/// The parser's error, for `field`.
pub fn word<T>(field: &str, text: &str) -> Result<T, ApiError>
where
    T: FromStr<Err: Display>,
{
    let text = text.trim();
    text.parse().map_err(|error: T::Err| {
        ApiError::Malformed(FieldError::new(field, in_words(text, &error.to_string())))
    })
}

/// Parses a comma-separated query parameter.
///
/// # Errors
/// The parser's error for the first wrong item, for `field`.
pub fn list<T>(field: &str, text: &str) -> Result<Vec<T>, ApiError>
where
    T: FromStr<Err: Display>,
{
    text.split(',').map(|part| word(field, part)).collect()
}

/// The error of a missing field, attributed to the field itself instead of to its parent.
fn field_error(path: &str, message: String) -> FieldError {
    let path = if path == "." { "" } else { path };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    match (path, missing) {
        ("", Some(name)) => FieldError::new(name, "is missing"),
        (parent, Some(name)) => FieldError::new(format!("{parent}.{name}"), "is missing"),
        ("", None) => FieldError::new("body", message),
        (path, None) => FieldError::new(path, message),
    }
}

/// Turns the messages of the standard parsers into what the value should be.
fn in_words(value: &str, message: &str) -> String {
    let wanted = match message {
        "invalid digit found in string" => "a whole number",
        "number too large to fit in target type" if value.parse::<u64>().is_ok() => {
            "a whole number up to 4294967295"
        }
        "number too large to fit in target type" => "a whole number up to 18446744073709551615",
        "provided string was not `true` or `false`" => "true or false",
        _ if message.contains("UUID") || message.starts_with("invalid length: found") => {
            "an identifier (UUID)"
        }
        _ => return message.to_owned(),
    };
    format!("takes {wanted}, not {:?}", beginning(value, REPEATED))
}

fn path_error(rejection: &PathRejection) -> ApiError {
    let PathRejection::FailedToDeserializePathParams(failed) = rejection else {
        return ApiError::BadBody(rejection.body_text());
    };
    let error = match failed.kind() {
        ErrorKind::ParseErrorAtKey { key, value, expected_type } => {
            FieldError::new(key, format!("{value:?} is not of type {expected_type}"))
        }
        ErrorKind::DeserializeError { key, value, message } => {
            FieldError::new(key, in_words(value, message))
        }
        ErrorKind::InvalidUtf8InPathParam { key } => FieldError::new(key, "is not UTF-8"),
        other => FieldError::new("path", other.to_string()),
    };
    ApiError::Malformed(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        side: u32,
        seed: Option<u64>,
    }

    async fn query(uri: &str) -> Result<Wanted, ApiError> {
        let (mut parts, ()) = axum::http::Request::get(uri).body(()).unwrap().into_parts();
        Query::from_request_parts(&mut parts, &()).await.map(|query: Query<Wanted>| query.0)
    }

    #[tokio::test]
    async fn an_empty_field_is_an_absent_one() {
        let wanted = query("/x?seed=&side=32").await.unwrap();
        assert_eq!((wanted.side, wanted.seed), (32, None));
    }

    #[tokio::test]
    async fn a_wrong_query_names_its_field() {
        let error = query("/x?side=big").await.unwrap_err().to_string();
        assert_eq!(error, "side: takes a whole number, not \"big\"");
        let error = query("/x?side=1&sied=2").await.unwrap_err().to_string();
        assert_eq!(error, "sied: unknown field `sied`, expected `side` or `seed`");
    }

    #[test]
    fn a_place_is_a_number_that_the_database_can_hold() {
        let place = |text: &str| text.parse::<Place>().map(Place::number);
        assert_eq!(place("0"), Ok(0));
        assert_eq!(place("9223372036854775807"), Ok(i64::MAX));
        for text in ["-1", "9223372036854775808", "1.5", "one", "0x1"] {
            let error = place(text).unwrap_err();
            let wanted = "takes a whole number from 0 to 9223372036854775807, not ";
            assert_eq!(error, format!("{wanted}{text:?}"));
        }
    }

    #[test]
    fn a_long_value_is_repeated_in_part() {
        let error = "é".repeat(1_000).parse::<Place>().unwrap_err();
        assert!(error.ends_with(&format!("{}…\"", "é".repeat(REPEATED))), "{error}");
    }

    #[test]
    fn a_missing_field_is_named_with_its_path() {
        let error = decode::<Wanted>(b"{}").unwrap_err().to_string();
        assert_eq!(error, "side: is missing");
        let nested = field_error("dataset", "missing field `name`".into());
        assert_eq!(nested.to_string(), "dataset.name: is missing");
        let error = decode::<Wanted>(b"[7]").unwrap_err().to_string();
        assert!(error.starts_with("body: invalid"), "{error}");
    }

    #[test]
    fn a_list_has_commas_and_names_its_wrong_word() {
        assert_eq!(list::<u32>("indices", "3, 5").unwrap(), [3, 5]);
        let error = list::<u32>("indices", "3,x").unwrap_err().to_string();
        assert_eq!(error, "indices: takes a whole number, not \"x\"");
    }

    #[test]
    fn a_wrong_value_names_its_path_and_broken_text_does_not() {
        let error = decode::<Wanted>(br#"{"side": "32"}"#).unwrap_err().to_string();
        assert_eq!(error, "side: invalid type: string \"32\", expected u32");
        assert!(matches!(decode::<Wanted>(b"{side"), Err(ApiError::BadBody(_))));
        assert!(matches!(decode::<Wanted>(br#"{"side": 3} x"#), Err(ApiError::BadBody(_))));
    }
}
