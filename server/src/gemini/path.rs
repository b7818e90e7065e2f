//! What a request target asks for. Reads foreign bytes; never fails but for a path that must not be sent.
//!
//! The path is sent as it came, but for a version that is doubled (`/v1beta/v1beta/…`, when a client appends its own to a base
//! URL that has one). Credentials are taken out of the query. Source of the surface: `gemini-wire.md` 1.2.

use http::Method;

/// Query parameters that carry a credential (`gemini-wire.md` 2.2).
const CREDENTIALS: [&str; 2] = ["key", "access_token"];
/// Collections whose members belong to the project that made them (`gemini-wire.md` 2.4).
const OWNED: [&str; 10] = [
    "files",
    "cachedContents",
    "batches",
    "operations",
    "tunedModels",
    "fileSearchStores",
    "interactions",
    "documents",
    "tuningJobs",
    "environments",
];

/// What a request target asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// To be sent: verbatim but for a doubled version.
    pub path: String,
    /// To be sent: verbatim but for credentials; `None` if nothing is left.
    pub query: Option<String>,
    /// The credentials that were in the query, decoded.
    pub client_credentials: Vec<String>,
    /// What kind of request it is.
    pub operation: Operation,
    /// Decoded, without `models/`; a tuned model keeps its `tunedModels/`.
    pub model: Option<String>,
    /// The part behind the last colon, or the route below `…/openai/`, or the HTTP method.
    pub verb: String,
    /// `alt=sse`.
    pub sse: bool,
    /// Below `…/openai/`: another credential, other errors.
    pub openai: bool,
    /// The path names something that belongs to a project.
    pub names_resource: bool,
    /// An upload: its body passes through and is never sent twice.
    pub upload: bool,
}

/// What kind of request it is, as far as retries and the commit point depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `:generateContent`.
    GenerateContent,
    /// `:streamGenerateContent`.
    StreamGenerateContent,
    /// Anything else that may be sent twice (`design.md` 4).
    Repeatable,
    /// All the rest: sent again only if the failure proves that nothing was done.
    Create,
}

impl Operation {
    /// Whether it may be sent twice.
    pub fn repeatable(self) -> bool {
        self != Self::Create
    }
}

/// Why a target must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// `.` or `..` as a segment, raw or encoded: the upstream might resolve it to another place.
    DotSegment,
    /// A control character or a backslash, raw or encoded.
    BadCharacter,
}

/// Reads a target in origin form.
pub fn read(method: &Method, path_and_query: &str) -> Result<Target, PathError> {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    refuse_traversal(path)?;
    let path = mend(path);
    let Query { kept, credentials, sse } = read_query(query);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let upload = segments.first() == Some(&"upload")
        || (segments.get(1) == Some(&"upload") && is_version(segments[0]));
    let openai = openai_at(&segments).is_some();
    let last = decode(segments.last().copied().unwrap_or_default());
    let (name, verb) = match last.rsplit_once(':') {
        Some((name, verb)) if !verb.is_empty() => (name, Some(verb)),
        _ => (last.as_str(), None),
    };
    let model = model(&segments, name);
    Ok(Target {
        operation: operation(method, verb, openai, &segments),
        names_resource: names_resource(&segments, verb),
        verb: match verb {
            Some(verb) => verb.to_owned(),
            None => openai_route(&segments).unwrap_or_else(|| method.as_str().to_owned()),
        },
        query: kept,
        client_credentials: credentials,
        model,
        sse,
        openai,
        upload,
        path,
    })
}

/// Where `openai` stands: behind a version, and perhaps a prefix before that.
fn openai_at(segments: &[&str]) -> Option<usize> {
    segments.iter().take(3).position(|segment| *segment == "openai")
}

fn openai_route(segments: &[&str]) -> Option<String> {
    let route = segments.get(openai_at(segments)? + 1..)?;
    (!route.is_empty()).then(|| decode(&route[..route.len().min(2)].join("/")))
}

fn operation(method: &Method, verb: Option<&str>, openai: bool, segments: &[&str]) -> Operation {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Operation::Repeatable;
    }
    if *method != Method::POST {
        return Operation::Create;
    }
    match verb {
        Some("generateContent") => Operation::GenerateContent,
        Some("streamGenerateContent") => Operation::StreamGenerateContent,
        Some("countTokens" | "embedContent" | "batchEmbedContents" | "predict") => Operation::Repeatable,
        None if openai && matches!(segments, [.., "chat", "completions"] | [.., "embeddings"]) => {
            Operation::Repeatable
        }
        _ => Operation::Create,
    }
}

/// `models/X` or `tunedModels/X`, wherever it stands; the verb is cut off.
fn model(segments: &[&str], last: &str) -> Option<String> {
    let at = segments.iter().position(|segment| matches!(*segment, "models" | "tunedModels"))?;
    let name = if at + 2 == segments.len() { last } else { segments.get(at + 1)? };
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    let name = decode(name);
    if name.is_empty() {
        return None;
    }
    Some(if segments[at] == "tunedModels" { format!("tunedModels/{name}") } else { name })
}

fn names_resource(segments: &[&str], verb: Option<&str>) -> bool {
    let member = |at: usize| segments.get(at + 1).is_some();
    let owned = |(at, segment): (usize, &&str)| OWNED.contains(segment) && member(at);
    segments.iter().enumerate().any(owned) && !(verb.is_some() && segments.len() < 2)
}

fn is_version(segment: &str) -> bool {
    matches!(segment, "v1" | "v1beta" | "v1alpha")
}

/// Leading slashes to one, `/v1beta/v1beta/` to one version: the last, which the client itself appended. Behind `/upload/` too.
fn mend(path: &str) -> String {
    let mut rest = path.trim_start_matches('/');
    let mut upload = "";
    if let Some(behind) = rest.strip_prefix("upload/") {
        (upload, rest) = ("upload/", behind);
    }
    while let Some((first, behind)) = rest.split_once('/')
        && is_version(first)
        && is_version(behind.split('/').next().unwrap_or_default())
    {
        rest = behind;
    }
    format!("/{upload}{rest}")
}

/// Decodes until nothing changes, so that no later decoder sees what we did not.
fn refuse_traversal(path: &str) -> Result<(), PathError> {
    /// Nobody nests encodings honestly.
    const ROUNDS: usize = 4;
    let mut seen = path.to_owned();
    for _ in 0..ROUNDS {
        if seen.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\') {
            return Err(PathError::BadCharacter);
        }
        if seen
            .split('/')
            .any(|segment| matches!(segment.split_once(';').map_or(segment, |(name, _)| name), "." | ".."))
        {
            return Err(PathError::DotSegment);
        }
        let decoded = decode(&seen);
        if decoded == seen {
            return Ok(());
        }
        seen = decoded;
    }
    Err(PathError::BadCharacter)
}

struct Query {
    kept: Option<String>,
    credentials: Vec<String>,
    sse: bool,
}

fn read_query(query: Option<&str>) -> Query {
    let mut read = Query { kept: None, credentials: Vec::new(), sse: false };
    let Some(query) = query else { return read };
    let mut kept = String::with_capacity(query.len());
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name);
        let name = name.strip_prefix('$').unwrap_or(&name);
        if CREDENTIALS.contains(&name) {
            read.credentials.push(decode(&value.replace('+', " ")));
            continue;
        }
        read.sse |= name == "alt" && decode(value).split(';').next() == Some("sse");
        if !kept.is_empty() {
            kept.push('&');
        }
        kept.push_str(pair);
    }
    read.kept = Some(kept).filter(|kept| !kept.is_empty());
    read
}

/// Percent-decoding, once; what is no escape stays, what is no UTF-8 becomes the replacement character.
fn decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = || Some(hex(*bytes.get(at + 1)?)? * 16 + hex(*bytes.get(at + 2)?)?);
        match (bytes[at] == b'%').then(escaped).flatten() {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

// --- bodies ---

/// The top-level `model` of a JSON body, without `models/`: OpenAI's routes, interactions, caches.
pub fn model_in_body(body: &[u8]) -> Option<String> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        model: Option<std::borrow::Cow<'a, str>>,
    }
    let model = serde_json::from_slice::<Body<'_>>(body).ok()?.model?;
    let model = model.strip_prefix("models/").unwrap_or(&model).trim();
    (!model.is_empty() && !model.contains(char::is_control)).then(|| model.to_owned())
}

/// Whether a body names a file, a cache or an earlier interaction. Only looks for the names, so it may say yes too often: then
/// a 403 or 404 is passed on at once, which is what it deserves anyway.
pub fn names_resource_in_body(body: &[u8]) -> bool {
    /// `gemini-wire.md` 2.4.
    const NAMES: [&[u8]; 8] = [
        b"\"fileUri\"",
        b"\"file_uri\"",
        b"\"cachedContent\"",
        b"\"cached_content\"",
        b"\"previous_interaction_id\"",
        b"\"previousInteractionId\"",
        b"\"fileSearchStoreNames\"",
        b"\"file_search_store_names\"",
    ];
    let mut rest = body;
    while let Some(at) = memchr::memchr(b'"', rest) {
        rest = &rest[at..];
        if NAMES.iter().any(|name| rest.starts_with(name)) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
