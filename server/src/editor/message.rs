//! One frame, read as JSON-RPC 2.0: a call, an answer, or what must be answered instead. Copies nothing of the params, which may
//! hold secrets. Stricter than the library, so that the library never sees what it would stumble over.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tower_lsp::jsonrpc::{Error, ErrorCode, Id, Response};

/// What a frame says.
#[derive(Debug)]
pub enum Message<'a> {
    /// A request, or a notification.
    Call(Call<'a>),
    /// The answer to a request; none was sent.
    Answer,
}

/// A request or a notification.
#[derive(Debug)]
pub struct Call<'a> {
    /// `None`: a notification.
    pub id: Option<Id>,
    /// What is asked for.
    pub method: String,
    /// As they came; `null` counts as none.
    pub params: Option<&'a str>,
}

impl Call<'_> {
    /// JSON-RPC knows no other params than an object or an array.
    pub fn is_proper(&self) -> bool {
        self.params.is_none_or(|params| params.starts_with(['{', '[']))
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// `null` is there, too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a frame; the error is the answer to it.
pub fn read(frame: &[u8]) -> Result<Message<'_>, Response> {
    let Ok(text) = std::str::from_utf8(frame) else {
        return Err(broken("the message is not UTF-8"));
    };
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let place = format!("line {}, column {}", error.line(), error.column());
        return Err(broken(&format!("the message is no JSON ({place})")));
    }
    // Serde would take an array for a struct.
    let envelope = if text.trim_ascii_start().starts_with('{') {
        serde_json::from_str::<Envelope<'_>>(text).ok()
    } else {
        None
    };
    let Some(envelope) = envelope else {
        return Err(refused(None, "a message is one object, each member named once"));
    };
    let id = match envelope.id.map(|id| serde_json::from_str::<Id>(id.get())) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(refused(None, "the id is no string, and no number of 64 bits with sign")),
    };
    if envelope.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
        return Err(refused(id, "jsonrpc is not \"2.0\""));
    }
    let Some(method) = envelope.method else {
        let answers = envelope.result.is_some() || envelope.error.is_some();
        return if answers { Ok(Message::Answer) } else { Err(refused(id, "there is no method")) };
    };
    let Ok(method) = serde_json::from_str(method.get()) else {
        return Err(refused(id, "the method is no string"));
    };
    let params = envelope.params.map(RawValue::get);
    Ok(Message::Call(Call { id, method, params }))
}

/// What is no JSON, or no frame: its id is unknown.
pub fn broken(sentence: &str) -> Response {
    error(None, ErrorCode::ParseError, sentence)
}

/// What is JSON, but no call.
pub fn refused(id: Option<Id>, sentence: &str) -> Response {
    error(id, ErrorCode::InvalidRequest, sentence)
}

/// An answer that something is wrong.
pub fn error(id: Option<Id>, code: ErrorCode, sentence: &str) -> Response {
    Response::from_error(
        id.unwrap_or_default(),
        Error { code, message: sentence.to_owned().into(), data: None },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(frame: &str) -> String {
        match read(frame.as_bytes()) {
            Ok(Message::Answer) => "answer".into(),
            Ok(Message::Call(Call { id, method, params })) => {
                format!("{} {method} {}", id.map_or("-".into(), |id| id.to_string()), params.unwrap_or("-"))
            }
            Err(answer) => {
                let error = answer.error().unwrap();
                format!("{} {} {}", answer.id(), error.code.code(), error.message)
            }
        }
    }

    #[test]
    fn calls_and_answers_are_read() {
        for (frame, read) in [
            (r#"{"jsonrpc":"2.0","method":"m","params":{"a":1}}"#, r#"- m {"a":1}"#),
            (r#" { "params" : [ 1 ] , "id":"x","method":"m" ,"jsonrpc":"2.0"} "#, r#""x" m [ 1 ]"#),
            (r#"{"jsonrpc":"2.0","id":-3,"method":"m","params":null,"more":[{}]}"#, "-3 m -"),
            (r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#, "null m -"),
            (r#"{"jsonrpc":"2.0","id":3,"result":null}"#, "answer"),
            (r#"{"jsonrpc":"2.0","id":3,"error":{"code":1,"message":"x"}}"#, "answer"),
        ] {
            assert_eq!(check(frame), read);
        }
    }

    #[test]
    fn what_is_none_is_answered_with_the_right_code_and_the_id_where_it_is_known() {
        for (frame, answered) in [
            ("", "null -32700 the message is no JSON (line 1, column 0)"),
            ("{ broken}", "null -32700 the message is no JSON (line 1, column 3)"),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"m"} x"#,
                "null -32700 the message is no JSON (line 1, column 39)",
            ),
            ("[]", "null -32600 a message is one object, each member named once"),
            (r#"["2.0","exit",1]"#, "null -32600 a message is one object, each member named once"),
            ("7", "null -32600 a message is one object, each member named once"),
            (r#"{"id":1,"id":2}"#, "null -32600 a message is one object, each member named once"),
            (r#"{"a":1}"#, "null -32600 jsonrpc is not \"2.0\""),
            (r#"{"jsonrpc":"1.0","id":4,"method":"m"}"#, "4 -32600 jsonrpc is not \"2.0\""),
            (r#"{"jsonrpc":2.0,"id":4,"method":"m"}"#, "4 -32600 jsonrpc is not \"2.0\""),
            (r#"{"jsonrpc":"2.0","id":9}"#, "9 -32600 there is no method"),
            (r#"{"jsonrpc":"2.0","id":9,"method":7}"#, "9 -32600 the method is no string"),
        ] {
            assert_eq!(check(frame), answered);
        }
        for id in ["{}", "[]", "true", "1.5", "18446744073709551615", "9223372036854775808", "1e3"] {
            let answered = check(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#));
            assert_eq!(
                answered, "null -32600 the id is no string, and no number of 64 bits with sign",
                "{id}"
            );
        }
        let nested =
            format!(r#"{{"jsonrpc":"2.0","method":"m","params":{}}}"#, "[".repeat(300) + &"]".repeat(300));
        assert!(check(&nested).starts_with("- m [[["), "no recursion here");
        assert!(read(b"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"x\":\"\xff\"}").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_message_with_any_byte_changed_is_survived(at in 0_usize..60, byte in any::<u8>()) {
            let mut frame = br#"{"jsonrpc":"2.0","id":3,"method":"m","params":{"a":[1,"b"]}}"#.to_vec();
            frame[at] = byte;
            let _ = read(&frame);
        }
    }
}
