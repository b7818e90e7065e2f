//! What the fake saw.

use bytes::Bytes;

/// One request, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Counts from 1.
    pub number: usize,
    /// Which connection, counted from 1.
    pub connection: usize,
    /// As it came.
    pub method: String,
    /// As it came: path and query, every byte.
    pub target: String,
    /// In their order, spelled as they came.
    pub headers: Vec<(String, String)>,
    /// Without its framing.
    pub body: Bytes,
    /// The key that counts: of the header, else of the bearer, else of the query.
    pub key: Option<String>,
    /// Every credential, and where it stood: `x-goog-api-key`, `authorization`, `x-api-key`, `cookie`, `?key`, `?access_token`.
    pub credentials: Vec<(String, String)>,
    /// How far the answer got.
    pub state: State,
}

/// How far an answer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The request is read, the answer not yet out.
    Answering,
    /// The whole answer, or what the script made of it, went out.
    Finished,
    /// The other side closed the connection before that.
    Aborted,
}

impl Seen {
    /// The first header of this name, whatever its spelling.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn find_credentials(&mut self) {
        const PLACES: [&str; 4] = ["x-goog-api-key", "authorization", "x-api-key", "cookie"];
        let mut found: Vec<(String, String)> = Vec::new();
        for place in PLACES {
            let here = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(place));
            found.extend(here.map(|(_, value)| (place.to_owned(), value.clone())));
        }
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if matches!(name, "key" | "access_token") {
                found.push((format!("?{name}"), value.to_owned()));
            }
        }
        self.key =
            found.iter().find(|(place, _)| place != "cookie").map(|(place, value)| match place.as_str() {
                "authorization" => value.split_once(' ').map_or("", |(_, key)| key).to_owned(),
                _ => value.clone(),
            });
        self.credentials = found;
    }
}
