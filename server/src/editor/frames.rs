//! Lets only whole JSON-RPC messages through to the library, which would end the conversation at the first that is none. In the
//! place of a bad one goes a request that the library answers with an error, so that the client hears of it.

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use zeroize::Zeroizing;

/// No honest message is larger; a thousand keys are a fraction of it.
const LARGEST: usize = 64 * 1024 * 1024;
/// No header line is longer.
const LONGEST_LINE: u64 = 4 * 1024;

/// What makes a message one: a method, or the answer to a request.
#[derive(Deserialize)]
struct Message {
    jsonrpc: String,
    method: Option<String>,
    id: Option<Value>,
    params: Option<Value>,
}

/// Passes messages on until the input ends or nobody takes them.
pub async fn check(input: impl AsyncRead + Unpin, mut output: impl AsyncWrite + Unpin) {
    let mut input = BufReader::new(input);
    while let Some(length) = header(&mut input).await {
        let mut body = Zeroizing::new(vec![0; length]);
        if input.read_exact(&mut body).await.is_err() {
            return;
        }
        let passed = match refusal(&body) {
            None => write(&mut output, &body).await,
            Some(refusal) => {
                tracing::warn!("a message that is no JSON-RPC");
                write(&mut output, refusal.to_string().as_bytes()).await
            }
        };
        if passed.is_err() {
            return;
        }
    }
}

async fn write(output: &mut (impl AsyncWrite + Unpin), body: &[u8]) -> std::io::Result<()> {
    output.write_all(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes()).await?;
    output.write_all(body).await
}

/// The length of the next body; lines that are no header are skipped. `None` at the end.
async fn header(input: &mut (impl AsyncBufReadExt + Unpin)) -> Option<usize> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        let read = (&mut *input).take(LONGEST_LINE).read_until(b'\n', &mut line).await.ok()?;
        if read == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() && length.is_some() {
            return length;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok().filter(|length| *length <= LARGEST);
        }
    }
}

/// `None` for a message; else what to send on instead of it.
fn refusal(body: &[u8]) -> Option<Value> {
    let id = match serde_json::from_slice::<Message>(body) {
        Ok(message) => {
            let is_id = message
                .id
                .as_ref()
                .is_none_or(|id| id.is_string() || id.is_i64() || id.is_u64() || id.is_null());
            let is_call = message.method.is_some()
                && message
                    .params
                    .as_ref()
                    .is_none_or(|params| params.is_object() || params.is_array() || params.is_null());
            let is_answer = message.method.is_none() && message.id.is_some();
            if message.jsonrpc == "2.0" && is_id && (is_call || is_answer) {
                return None;
            }
            message.id.filter(|_| is_id)
        }
        Err(_) => None,
    };
    Some(
        json!({ "jsonrpc": "2.0", "id": id.unwrap_or(Value::Null), "method": "a message that is no JSON-RPC" }),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn checked(input: &[u8]) -> String {
        let mut output = Vec::new();
        check(input, &mut output).await;
        String::from_utf8(output).unwrap()
    }

    fn framed(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn messages_pass_and_what_is_none_becomes_a_request_that_fails() {
        let good = framed(r#"{"jsonrpc":"2.0","method":"m","params":{"a":1}}"#);
        let answer = framed(r#"{"jsonrpc":"2.0","id":3,"result":null}"#);
        for bad in [
            "{ broken}",
            "[]",
            "7",
            r#"{"a":1}"#,
            r#"{"jsonrpc":"1.0","method":"m"}"#,
            r#"{"jsonrpc":"2.0","method":"m","params":7}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#,
        ] {
            let passed = checked(format!("{good}{}{answer}", framed(bad)).as_bytes()).await;
            assert!(passed.starts_with(&good) && passed.ends_with(&answer), "{bad}");
            let replaced = &passed[good.len()..passed.len() - answer.len()];
            assert!(replaced.contains(r#""id":null"#) && !replaced.ends_with(&format!("\n{bad}")), "{bad}");
        }
        let refused =
            checked(framed(r#"{"jsonrpc":"2.0","id":9,"method":"m","params":"x"}"#).as_bytes()).await;
        assert!(refused.contains(r#""id":9"#));
    }

    #[tokio::test]
    async fn framing_that_is_none_is_skipped() {
        let good = framed(r#"{"jsonrpc":"2.0","method":"m"}"#);
        let noisy = format!("hello\r\n\r\nContent-Type: x\r\n{good}Content-Length: many\r\n\r\n{good}");
        assert_eq!(checked(noisy.as_bytes()).await, format!("{good}{good}"));
        assert_eq!(checked(b"Content-Length: 10\r\n\r\nshort").await, "");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut output = Vec::new();
                check(&bytes[..], &mut output).await;
            });
            refusal(&bytes);
        }
    }
}
