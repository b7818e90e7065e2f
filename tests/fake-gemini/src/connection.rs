//! One connection: reads requests, runs their steps, and notices at once when the other side goes away.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::script::{Rule, RuleJson, Step};
use crate::seen::{Seen, State};
use crate::{World, lock};

/// How a request's steps ended.
enum Ended {
    /// The connection can be used again.
    Kept,
    /// It is closed, or reset.
    Closed,
    /// The other side closed it first.
    Left,
}

pub(crate) async fn serve(stream: TcpStream, world: Arc<World>) {
    let number = lock(&world.connections).accepted;
    // Latency matters to some tests; without it the fake still works.
    let _ = stream.set_nodelay(true);
    let (mut reads, mut writes) = stream.into_split();
    let mut buffer = BytesMut::new();
    loop {
        let Some(mut seen) = read_request(&mut reads, &mut buffer, &world).await else { return };
        if seen.target.starts_with("/__fake/") {
            if control(&seen, &world, &mut writes).await.is_err() {
                return;
            }
            continue;
        }
        seen.connection = number;
        let at = {
            let mut all = lock(&world.seen);
            seen.number = all.len() + 1;
            all.push(seen.clone());
            all.len() - 1
        };
        world.touch();
        let steps = lock(&world.script).steps(&seen);
        let head_only = seen.method == "HEAD";
        let ended = tokio::select! {
            ended = run(steps, &mut writes, head_only) => ended,
            () = left(&mut reads, &mut buffer) => Ended::Left,
        };
        if let Some(seen) = lock(&world.seen).get_mut(at) {
            seen.state = if matches!(ended, Ended::Left) { State::Aborted } else { State::Finished };
        }
        world.touch();
        match ended {
            Ended::Kept => {}
            Ended::Left => return,
            Ended::Closed => {
                if let Ok(stream) = reads.reunite(writes) {
                    drop(stream);
                }
                return;
            }
        }
    }
}

/// Returns when the other side closes; what it sends meanwhile is kept for the next request.
async fn left(reads: &mut OwnedReadHalf, buffer: &mut BytesMut) {
    while matches!(reads.read_buf(buffer).await, Ok(count) if count > 0) {}
}

/// The next request, whole; `None` at the end of the connection.
async fn read_request(reads: &mut OwnedReadHalf, buffer: &mut BytesMut, world: &World) -> Option<Seen> {
    let fault = |text: String| {
        lock(&world.faults).push(text);
        None
    };
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 128];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(buffer) {
            Err(error) => return fault(format!("a request that is none: {error}")),
            Ok(httparse::Status::Partial) => {
                if !matches!(reads.read_buf(buffer).await, Ok(count) if count > 0) {
                    return None;
                }
            }
            Ok(httparse::Status::Complete(length)) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let mut seen = Seen {
                    number: 0,
                    connection: 0,
                    method: request.method.unwrap_or_default().to_owned(),
                    target: request.path.unwrap_or_default().to_owned(),
                    headers: request
                        .headers
                        .iter()
                        .map(|header| (header.name.to_owned(), text(header.value)))
                        .collect(),
                    body: Bytes::new(),
                    key: None,
                    credentials: Vec::new(),
                    state: State::Answering,
                };
                let _ = buffer.split_to(length);
                seen.find_credentials();
                let chunked = seen
                    .header("transfer-encoding")
                    .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
                let declared = seen.header("content-length").and_then(|length| length.parse::<usize>().ok());
                seen.body = match (chunked, declared) {
                    (true, Some(_)) => return fault("a request with both framings".into()),
                    (true, None) => read_chunks(reads, buffer).await?,
                    (false, length) => read_exactly(reads, buffer, length.unwrap_or(0)).await?,
                };
                return Some(seen);
            }
        }
    }
}

async fn read_exactly(reads: &mut OwnedReadHalf, buffer: &mut BytesMut, length: usize) -> Option<Bytes> {
    while buffer.len() < length {
        if !matches!(reads.read_buf(buffer).await, Ok(count) if count > 0) {
            return None;
        }
    }
    Some(buffer.split_to(length).freeze())
}

async fn read_chunks(reads: &mut OwnedReadHalf, buffer: &mut BytesMut) -> Option<Bytes> {
    let mut body = BytesMut::new();
    loop {
        match httparse::parse_chunk_size(buffer).ok()? {
            httparse::Status::Partial => {
                if !matches!(reads.read_buf(buffer).await, Ok(count) if count > 0) {
                    return None;
                }
            }
            httparse::Status::Complete((start, size)) => {
                let _ = buffer.split_to(start);
                let chunk = read_exactly(reads, buffer, usize::try_from(size).ok()? + 2).await?;
                if size == 0 {
                    return Some(body.freeze());
                }
                body.extend_from_slice(&chunk[..chunk.len() - 2]);
            }
        }
    }
}

async fn run(steps: Vec<Step>, writes: &mut OwnedWriteHalf, head_only: bool) -> Ended {
    let mut chunked = false;
    for step in steps {
        let written = match step {
            Step::Head(status, headers) => {
                chunked = !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
                writes.write_all(&head(status, &headers, chunked)).await
            }
            Step::Bytes(_) if head_only => Ok(()),
            Step::Bytes(bytes) if !chunked => writes.write_all(&bytes).await,
            Step::Bytes(bytes) if bytes.is_empty() => Ok(()),
            Step::Bytes(bytes) => {
                let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                chunk.extend_from_slice(&bytes);
                chunk.extend_from_slice(b"\r\n");
                writes.write_all(&chunk).await
            }
            Step::Raw(bytes) => writes.write_all(&bytes).await,
            Step::Pause(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Step::Wait(gate) => {
                gate.passed().await;
                Ok(())
            }
            Step::Hang => std::future::pending().await,
            Step::Reset => {
                let socket = socket2::SockRef::from(writes.as_ref());
                return match socket.set_linger(Some(Duration::ZERO)) {
                    Ok(()) => Ended::Closed,
                    Err(_) => Ended::Left,
                };
            }
            Step::Cut => return Ended::Closed,
            Step::End if chunked && !head_only => writes.write_all(b"0\r\n\r\n").await,
            Step::End => Ok(()),
        };
        if written.is_err() {
            return Ended::Left;
        }
    }
    Ended::Kept
}

fn head(status: u16, headers: &[(String, String)], chunked: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Fake\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if chunked {
        head.push_str("transfer-encoding: chunked\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Lets programs in other languages drive the fake.
async fn control(seen: &Seen, world: &World, writes: &mut OwnedWriteHalf) -> std::io::Result<()> {
    let (status, body) = match (seen.method.as_str(), seen.target.as_str()) {
        ("GET", "/__fake/seen") => {
            let entry = |seen: &Seen| {
                json!({ "method": seen.method, "target": seen.target, "key": seen.key, "headers": seen.headers,
                    "credentials": seen.credentials, "body": String::from_utf8_lossy(&seen.body),
                    "state": format!("{:?}", seen.state) })
            };
            (200, json!(lock(&world.seen).iter().map(entry).collect::<Vec<_>>()))
        }
        ("POST", "/__fake/rules") => match serde_json::from_slice::<Vec<RuleJson>>(&seen.body) {
            Ok(rules) => {
                lock(&world.script).rules.extend(rules.into_iter().map(Rule::from));
                (200, json!({}))
            }
            Err(error) => (400, json!({ "error": error.to_string() })),
        },
        ("POST", "/__fake/reset") => {
            lock(&world.script).rules.clear();
            lock(&world.seen).clear();
            (200, json!({}))
        }
        _ => (404, json!({ "error": "no such control" })),
    };
    let body = body.to_string();
    let headers = [
        ("content-type".to_owned(), "application/json".to_owned()),
        ("content-length".to_owned(), body.len().to_string()),
    ];
    writes.write_all(&head(status, &headers, false)).await?;
    writes.write_all(body.as_bytes()).await
}
