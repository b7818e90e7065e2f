//! Who may call, and which headers pass, each way. Pure functions over header maps.
//!
//! Upstream gets exactly one credential, in the header its route wants, and no trace of the caller. Downstream gets what the
//! API says, without what belongs to one connection only.

use aggregator_protocol::Secret;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue,
    ORIGIN, TRANSFER_ENCODING, VARY,
};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};

use crate::failure::{self, Failure};
use crate::policy::config::Config;
use crate::proxy::Body;

/// A caller that may go on.
#[derive(Debug, Default)]
pub struct Allowed {
    /// The web page that calls; it is on the list.
    origin: Option<HeaderValue>,
    preflight: bool,
}

/// No client of the API comes near it (S9).
const LARGEST_HEAD: usize = 64 * 1024;

/// Lets a request in, or says why not: `Host`, then the page, then the token (S2, S3). `presented` are the credentials that
/// stood in the query. A page on the list may read why it was refused.
pub fn guard(parts: &Parts, presented: &[String], config: &Config) -> Result<Allowed, (Failure, Allowed)> {
    let allowed = caller(parts, config).map_err(|failure| (failure, Allowed::default()))?;
    match &config.access_token {
        Some(token) if !allowed.preflight && !presents(&parts.headers, presented, token) => {
            Err((Failure::WrongToken, allowed))
        }
        _ => Ok(allowed),
    }
}

fn caller(parts: &Parts, config: &Config) -> Result<Allowed, Failure> {
    let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size + parts.uri.path_and_query().map_or(0, |target| target.as_str().len()) > LARGEST_HEAD {
        return Err(Failure::HeadTooLarge);
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Failure::BadHost) };
    let host = host.to_str().ok().and_then(host_name).ok_or(Failure::BadHost)?;
    let target = parts.uri.authority().map(|authority| authority.as_str());
    let target = target.map(|authority| host_name(authority).ok_or(Failure::BadHost)).transpose()?;
    if !std::iter::once(host).chain(target).all(|name| is_ourselves(&name, &config.allowed_hosts)) {
        return Err(Failure::ForeignHost);
    }
    page(parts, config)
}

/// The host without its port, lower case; `None` if it is none.
fn host_name(authority: &str) -> Option<String> {
    let name = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
                return None;
            }
            address
        }
        None => match authority.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return None,
            None => authority,
        },
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_ascii_lowercase())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 5
}

fn is_ourselves(host: &str, others: &[String]) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "::1") || others.iter().any(|other| other == host)
}

fn page(parts: &Parts, config: &Config) -> Result<Allowed, Failure> {
    let mut origins = parts.headers.get_all(ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => {
            let site = parts.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
            let foreign = matches!(site, Some(b"cross-site" | b"same-site"));
            return if foreign { Err(Failure::ForeignOrigin) } else { Ok(Allowed::default()) };
        }
        (Some(origin), None) => origin,
        _ => return Err(Failure::ForeignOrigin),
    };
    let known = origin.to_str().is_ok_and(|origin| {
        config
            .allowed_origins
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(origin.trim_end_matches('/')))
    });
    if !known {
        return Err(Failure::ForeignOrigin);
    }
    let preflight =
        parts.method == Method::OPTIONS && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    Ok(Allowed { origin: Some(origin.clone()), preflight })
}

/// Whether one of the places where clients carry their key holds the token (`gemini-wire.md` 2.3). Every place is compared, so
/// the time taken does not tell which.
fn presents(headers: &HeaderMap, in_query: &[String], token: &Secret) -> bool {
    let keys = [headers.get_all(GOOG_KEY), headers.get_all(API_KEY)];
    let mut right = false;
    for value in keys.iter().flat_map(|values| values.iter()) {
        right |= token.matches(value.as_bytes().trim_ascii());
    }
    for value in headers.get_all(AUTHORIZATION) {
        let value = value.as_bytes();
        for scheme in [&b"Bearer "[..], b"Token "] {
            if value.len() > scheme.len() && value[..scheme.len()].eq_ignore_ascii_case(scheme) {
                right |= token.matches(value[scheme.len()..].trim_ascii());
            }
        }
    }
    for value in in_query {
        right |= token.matches(value.as_bytes());
    }
    right
}

/// The answer to a preflight of a page that may call; `None` if the request is none.
pub fn preflight(parts: &Parts, allowed: &Allowed) -> Option<Response<Body>> {
    if !allowed.preflight {
        return None;
    }
    let mut response = Response::new(failure::whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"),
    );
    if let Some(asked) = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    if parts.headers.contains_key("access-control-request-private-network") {
        headers.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    Some(response)
}

/// Lets the page that called read the answer: exactly that page, no other.
pub fn add_cors(headers: &mut HeaderMap, allowed: &Allowed) {
    let Some(origin) = &allowed.origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("retry-after, x-request-id, x-attempts, x-api-key-used, x-forwarded-to, x-serverless-response-time"),
    );
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

const GOOG_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What of the caller's headers goes upstream, with the one credential.
pub fn to_upstream(downstream: &HeaderMap, credential: &Secret, openai: bool) -> HeaderMap {
    let mut upstream = HeaderMap::with_capacity(downstream.len() + 2);
    let named = named_in_connection(downstream);
    for (name, value) in downstream {
        if !is_hop_by_hop(name) && !stays_here(name) && !named.iter().any(|other| other == name) {
            upstream.append(name.clone(), value.clone());
        }
    }
    upstream.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let (name, value) = if openai {
        (AUTHORIZATION, sensitive(&Secret::new(format!("Bearer {}", credential.expose()))))
    } else {
        (GOOG_KEY, sensitive(credential))
    };
    let value = value.expect("keys that cannot stand in a header are refused in the configuration");
    upstream.insert(name, value);
    upstream
}

/// A secret as the value of a header that no library prints; `None` if it cannot stand there.
pub fn sensitive(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(secret.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What of the upstream's headers goes downstream.
pub fn to_downstream(upstream: &HeaderMap) -> HeaderMap {
    let mut downstream = HeaderMap::with_capacity(upstream.len() + 4);
    let named = named_in_connection(upstream);
    // Where there is another framing, the length is not that of the body (RFC 9112, 6.3).
    let framed = upstream.contains_key(TRANSFER_ENCODING);
    for (name, value) in upstream {
        let lies = framed && name == CONTENT_LENGTH;
        if !is_hop_by_hop(name) && !is_ours_to_say(name) && !lies && !named.iter().any(|other| other == name)
        {
            downstream.append(name.clone(), value.clone());
        }
    }
    downstream
}

/// Headers of an answer by which its sender would speak for this endpoint: to browsers, for relays, or in our name.
fn is_ours_to_say(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "alt-svc"
            | "clear-site-data"
            | "refresh"
            | "service-worker-allowed"
            | "set-cookie"
            | "set-cookie2"
            | "strict-transport-security"
            | "x-gemini-aggregator"
            | "x-relay"
            | "x-relay-error"
    ) || name.starts_with("access-control-")
        || name.starts_with("x-forwarded-")
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Headers of the caller that are nobody else's business: credentials, the browser's, those that name the caller.
fn stays_here(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "host"
            | "content-length"
            | "expect"
            | "authorization"
            | "x-goog-api-key"
            | "x-api-key"
            | "cookie"
            | "origin"
            | "referer"
            | "accept-encoding"
            | "forwarded"
            | "via"
            | "x-real-ip"
            | "x-gemini-api-privileged-user-id"
            | "x-gemini-aggregator"
            | "x-server-timeout"
            | "priority"
            | "dnt"
            | "upgrade-insecure-requests"
    ) || name.starts_with("sec-")
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-relay-")
        || name.starts_with("access-control-request-")
}

/// Further headers that belong to this connection only, as `Connection` names them.
fn named_in_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut named = Vec::new();
    for value in headers.get_all(CONNECTION) {
        let names = value.to_str().unwrap_or_default().split(',').map(str::trim);
        named.extend(
            names
                .filter_map(|name| HeaderName::try_from(name).ok())
                .filter(|name| name != CONTENT_LENGTH && name != HOST),
        );
    }
    named
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
