//! The same server without an editor: its state from a file or from the environment (design decision 19).

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aggregator_protocol::{DesiredState, ProblemCode};
use serde_json::{Value, json};

use crate::listen::{self, Bound};
use crate::policy::config::Config;
use crate::shared::Shared;
use crate::windows::{self, Holder};
use crate::{VERSION, dial, log, store};

/// Requests in flight may go on for so long after the first signal.
const DRAIN: Duration = Duration::from_secs(10);
/// The environment's keys, separated by commas.
const KEYS: &str = "GEMINI_API_KEYS";

/// What `serve` was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    state: Option<PathBuf>,
    port: Option<i64>,
    storage: Option<PathBuf>,
}

impl Arguments {
    /// `None` if they make no sense.
    pub fn parse(arguments: &[&str]) -> Option<Self> {
        let mut parsed = Self::default();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest.next()?;
            match *name {
                "--state" => parsed.state = Some(value.into()),
                "--port" => parsed.port = Some(value.parse().ok()?),
                "--storage" => parsed.storage = Some(value.into()),
                _ => return None,
            }
        }
        let has_keys = || std::env::var(KEYS).is_ok_and(|keys| !keys.trim().is_empty());
        (parsed.state.is_some() || has_keys()).then_some(parsed)
    }
}

/// Why it does not start. One line for a person; never a value of the state, which may be a secret.
#[derive(Debug)]
pub enum ServeError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// Others can read the file.
    Open(PathBuf),
    /// It is no state: where.
    Undecodable(PathBuf, String),
    /// A value cannot be used: which setting.
    Refused(&'static str, String),
    /// The port is taken: by whom.
    Taken(i64, Holder),
    /// The port cannot be bound.
    Bind(i64, std::io::Error),
    /// The line with the endpoint could not be written.
    Output(std::io::Error),
}

impl std::error::Error for ServeError {}

impl fmt::Display for ServeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file, error) => write!(formatter, "{} cannot be read: {error}", file.display()),
            Self::Open(file) => write!(
                formatter,
                "{file} holds keys and can be read by others; run: chmod 600 {file}",
                file = file.display()
            ),
            Self::Undecodable(file, place) => {
                write!(formatter, "{} is not a valid state: {place}", file.display())
            }
            Self::Refused(setting, what) => write!(formatter, "{setting} {what}"),
            Self::Taken(port, Holder::Stranger) => {
                write!(formatter, "port {port} is taken by another program; choose one with --port")
            }
            Self::Taken(port, _) => {
                write!(formatter, "port {port} is taken by another Gemini Aggregator; choose one with --port")
            }
            Self::Bind(port, error) => write!(formatter, "port {port} cannot be bound: {error}"),
            Self::Output(error) => write!(formatter, "the endpoint could not be printed: {error}"),
        }
    }
}

/// Serves until a signal. The exit code: 0 after draining.
pub async fn run(arguments: Arguments) -> Result<u8, ServeError> {
    let mut signals = signals::Signals::new();
    let shared = Shared::new();
    let desired = read(&arguments, 1)?;
    check(&desired)?;
    let port = desired.port;
    shared.apply(desired);
    let config = shared.config();
    warn_of_problems(&shared);
    let bound = match Bound::new(config.port.unwrap_or_default()).await {
        Ok(bound) => bound,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let holder = windows::who_holds(&shared, config.port.unwrap_or_default()).await;
            return Err(ServeError::Taken(port, holder));
        }
        Err(error) => return Err(ServeError::Bind(port, error)),
    };
    announce(bound.port()).map_err(ServeError::Output)?;
    let storage = arguments.storage.clone().or_else(default_storage);
    let keeping = storage.map(|folder| tokio::spawn(store::run(shared.clone(), folder)));
    dial::warm(&shared);
    let listening = tokio::spawn(listen::run(shared.clone(), Some(bound)));
    let mut revision = 1;
    loop {
        match signals.next().await {
            signals::Signal::End => break,
            signals::Signal::Again => {
                revision += 1;
                match read(&arguments, revision).and_then(|desired| check(&desired).map(|()| desired)) {
                    Ok(desired) => {
                        shared.apply(desired);
                        tracing::info!("state read again");
                        warn_of_problems(&shared);
                        dial::warm(&shared);
                    }
                    Err(error) => tracing::warn!(%error, "the last state stays"),
                }
            }
        }
    }
    shared.stop(DRAIN);
    let ended = async {
        let _ = listening.await;
        if let Some(keeping) = keeping {
            let _ = keeping.await;
        }
    };
    let again = async { while !matches!(signals.next().await, signals::Signal::End) {} };
    tokio::select! {
        () = ended => Ok(0),
        () = again => Ok(130),
    }
}

fn warn_of_problems(shared: &Shared) {
    for problem in shared.status(crate::shared::wall_clock()).problems {
        let subject = problem.subject.as_deref().unwrap_or("-");
        tracing::warn!(code = %log::word(problem.code), subject, "problem");
    }
}

/// The one line on stdout; there is no JSON-RPC here.
fn announce(port: u16) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "Gemini Aggregator {VERSION} listens on http://127.0.0.1:{port}")?;
    out.flush()
}

fn read(arguments: &Arguments, revision: u64) -> Result<DesiredState, ServeError> {
    let (file, mut state) = match &arguments.state {
        Some(file) => (file.clone(), read_file(file)?),
        None => (PathBuf::from(KEYS), from_keys(&std::env::var(KEYS).unwrap_or_default())),
    };
    if let Value::Object(fields) = &mut state {
        fields.insert("revision".into(), revision.into());
        if let Some(port) = arguments.port {
            fields.insert("port".into(), port.into());
        }
    }
    serde_json::from_value(state).map_err(|error| ServeError::Undecodable(file, without_values(&error)))
}

fn read_file(file: &Path) -> Result<Value, ServeError> {
    let unreadable = |error| ServeError::Unreadable(file.to_owned(), error);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if std::fs::metadata(file).map_err(unreadable)?.permissions().mode() & 0o077 != 0 {
            return Err(ServeError::Open(file.to_owned()));
        }
    }
    let text = zeroize::Zeroizing::new(std::fs::read(file).map_err(unreadable)?);
    serde_json::from_slice(&text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        ServeError::Undecodable(file.to_owned(), format!("no JSON at {place}"))
    })
}

fn from_keys(keys: &str) -> Value {
    let keys = keys.split(',').map(str::trim).filter(|key| !key.is_empty()).enumerate();
    let keys: Vec<Value> =
        keys.map(|(at, secret)| json!({ "id": format!("key{}", at + 1), "secret": secret })).collect();
    json!({ "keys": keys })
}

/// What serde found, but for the values it quotes: they may be secrets.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let known = ["missing field", "unknown variant", "invalid type", "invalid value", "duplicate field"];
    let kind = known.iter().find(|kind| text.starts_with(**kind)).copied().unwrap_or("a wrong value");
    let expected = text.split_once("expected ").map(|(_, expected)| format!(", expected {expected}"));
    let field = text.strip_prefix("missing field ").map(|field| format!(" {field}"));
    format!("{kind}{}", field.or(expected).unwrap_or_default())
}

/// Refuses what an editor would be shown as a problem, where nobody would see it: values out of range, an upstream, a proxy or
/// a CA file that cannot be used.
fn check(desired: &DesiredState) -> Result<(), ServeError> {
    let (_, problems) = Config::from_desired(desired.clone(), &Config::empty());
    for problem in problems {
        let refused = |setting, what: &str| Err(ServeError::Refused(setting, what.into()));
        match problem.code {
            ProblemCode::PortRange => return refused("port", "must be 0 (any free port) to 65535"),
            ProblemCode::TimeoutRange => return refused("requestTimeoutMs", "must be 1000 to 3600000"),
            ProblemCode::AttemptsRange => return refused("maxAttempts", "must be 1 to 20"),
            ProblemCode::QueueWaitRange => return refused("maxQueueWaitMs", "must be 0 to 600000"),
            ProblemCode::HeartbeatRange => return refused("heartbeatSeconds", "must be 0, or 5 to 300"),
            ProblemCode::BodySizeRange => return refused("maxBodyBytes", "must be 1048576 to 2147483648"),
            ProblemCode::UpstreamUrl => {
                return refused(
                    "upstream",
                    "must be an https URL (http on loopback only) without credentials, query or fragment",
                );
            }
            ProblemCode::ProxyUrl => {
                return refused("proxy", "must be an http, https, socks5 or socks5h URL");
            }
            _ => {}
        }
    }
    let Some(file) = &desired.tls.ca_file else { return Ok(()) };
    match dial::extra_roots(file) {
        Ok(_) => Ok(()),
        Err(error) => Err(ServeError::Refused("tls.caFile", format!("{file} cannot be used: {error}"))),
    }
}

/// Where programs keep what should survive a restart and is nobody's document.
fn default_storage() -> Option<PathBuf> {
    const NAME: &str = "gemini-aggregator";
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if cfg!(windows) {
        return variable("LOCALAPPDATA").map(|folder| folder.join(NAME));
    }
    let home = variable("HOME");
    if cfg!(target_os = "macos") {
        return home.map(|home| home.join("Library/Application Support").join(NAME));
    }
    variable("XDG_STATE_HOME")
        .or_else(|| home.map(|home| home.join(".local/state")))
        .map(|folder| folder.join(NAME))
}

#[cfg(unix)]
mod signals {
    use tokio::signal::unix::{Signal as Unix, SignalKind, signal};

    /// What a signal means.
    pub enum Signal {
        /// End.
        End,
        /// Read the state again.
        Again,
    }

    /// SIGTERM, SIGINT and SIGHUP.
    pub struct Signals {
        end: Unix,
        interrupt: Unix,
        again: Unix,
    }

    impl Signals {
        /// From now on they do not end the process by themselves.
        pub fn new() -> Self {
            let of = |kind| signal(kind).expect("these signals can be handled");
            Self {
                end: of(SignalKind::terminate()),
                interrupt: of(SignalKind::interrupt()),
                again: of(SignalKind::hangup()),
            }
        }

        /// The next one.
        pub async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.end.recv() => Signal::End,
                _ = self.interrupt.recv() => Signal::End,
                _ = self.again.recv() => Signal::Again,
            }
        }
    }
}

#[cfg(not(unix))]
mod signals {
    /// What a signal means.
    pub enum Signal {
        /// End.
        End,
        /// Read the state again; no signal says so here.
        #[expect(dead_code, reason = "only unix has such a signal")]
        Again,
    }

    /// Ctrl-C.
    pub struct Signals;

    impl Signals {
        /// From now on it does not end the process by itself.
        pub fn new() -> Self {
            Self
        }

        /// The next one.
        pub async fn next(&mut self) -> Signal {
            let _ = tokio::signal::ctrl_c().await;
            Signal::End
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_make_no_sense_are_none() {
        let all = Arguments::parse(&["--state", "f", "--port", "0", "--storage", "d"]).unwrap();
        assert_eq!((all.port, all.state, all.storage), (Some(0), Some("f".into()), Some("d".into())));
        for wrong in [&["--state"][..], &["--port", "x", "--state", "f"], &["--what", "f"], &["f"]] {
            assert_eq!(Arguments::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn keys_of_the_environment_are_numbered() {
        let state: DesiredState = serde_json::from_value({
            let mut state = from_keys(" a-key , b-key,,");
            state["revision"] = 1.into();
            state
        })
        .unwrap();
        let keys: Vec<(&str, &str)> =
            state.keys.iter().map(|key| (key.id.as_str(), key.secret.expose())).collect();
        assert_eq!(keys, [("key1", "a-key"), ("key2", "b-key")]);
    }

    #[test]
    fn no_value_of_the_state_is_told() {
        for state in [
            json!({ "revision": 1, "keys": "AIzaSECRET" }),
            json!({ "revision": 1, "keys": [{ "id": "a", "secret": { "AIzaSECRET": 1 } }] }),
            json!({ "revision": 1, "mode": "AIzaSECRET" }),
            json!({ "keys": ["AIzaSECRET"] }),
        ] {
            let error = serde_json::from_value::<DesiredState>(state).unwrap_err();
            let told = without_values(&error);
            assert!(!told.contains("SECRET") && !told.is_empty(), "{told}");
        }
        let missing = serde_json::from_value::<DesiredState>(json!({})).unwrap_err();
        assert_eq!(without_values(&missing), "missing field `revision`");
    }
}
