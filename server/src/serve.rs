//! The same server without an editor: its state from a file or from the environment (design decision 19).

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aggregator_protocol::{DesiredState, Problem, ProblemCode, Role};
use serde_json::{Value, json};
use serde_path_to_error::Segment;
use zeroize::Zeroizing;

use crate::listen::{self, Refusal};
use crate::policy::config::Config;
use crate::shared::{Shared, wall_clock};
use crate::windows::Holder;
use crate::{VERSION, dial, health, log, store};

/// Requests in flight may go on for so long after the first signal.
const DRAIN: Duration = Duration::from_secs(10);
/// Beyond that, for the last save.
const GRACE: Duration = Duration::from_secs(1);
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
        let has_keys = || std::env::var(KEYS).is_ok_and(|keys| secrets(&keys).next().is_some());
        (parsed.state.is_some() || has_keys()).then_some(parsed)
    }
}

/// Why it does not start. One line for a person; never a value of the state, which may be a secret.
#[derive(Debug)]
pub enum ServeError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// It is a folder, a pipe or the like.
    NoFile(PathBuf),
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
            Self::NoFile(file) => write!(formatter, "{} is no file", file.display()),
            Self::Open(file) => write!(
                formatter,
                "{file} holds keys and can be read by others; run: chmod 600 {file}",
                file = file.display()
            ),
            Self::Undecodable(file, place) => {
                write!(formatter, "{} is not a valid state: {place}", file.display())
            }
            Self::Refused(setting, what) => write!(formatter, "{setting} {what}"),
            Self::Taken(port, Holder::Stranger | Holder::Gone) => {
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
    warn_of_problems(&shared, &[]);
    let bound = match listen::take(&shared, shared.config().port.unwrap_or_default()).await {
        Ok(bound) => bound,
        Err(Refusal::Held(holder)) => return Err(ServeError::Taken(port, holder)),
        Err(Refusal::Failed(error)) => return Err(ServeError::Bind(port, error)),
    };
    let served = bound.port();
    let storage = arguments.storage.clone().or_else(default_storage);
    let keeping = storage.map(|folder| tokio::spawn(store::run(shared.clone(), folder)));
    dial::warm(&shared);
    let listening = tokio::spawn(listen::run(shared.clone(), Some(bound)));
    tokio::spawn(health::run(shared.clone()));
    // Who reads the line may stop this process and start another at once: it must know the ledger by then.
    let mut role = shared.watch_role();
    let _ = role.wait_for(|role| matches!(role, Role::Leader { .. })).await;
    shared.keeper.loaded().await;
    announce(served).map_err(ServeError::Output)?;
    let mut revision = 1;
    loop {
        match signals.next().await {
            signals::Signal::End => break,
            signals::Signal::Again => {
                revision += 1;
                match read(&arguments, revision).and_then(|desired| check(&desired).map(|()| desired)) {
                    Ok(desired) => {
                        let known = shared.status(wall_clock()).problems;
                        shared.apply(desired);
                        tracing::info!("state read again");
                        warn_of_problems(&shared, &known);
                        dial::warm(&shared);
                    }
                    Err(error) => tracing::warn!(%error, "the last state stays"),
                }
            }
        }
    }
    shared.stop(DRAIN);
    let ended = tokio::time::timeout(DRAIN + GRACE, async {
        let _ = listening.await;
        if let Some(keeping) = keeping {
            let _ = keeping.await;
        }
    });
    let again = async { while !matches!(signals.next().await, signals::Signal::End) {} };
    tokio::select! {
        _ = ended => Ok(0),
        () = again => Ok(130),
    }
}

/// Those of the state that are new; others are logged when they come up.
fn warn_of_problems(shared: &Shared, known: &[Problem]) {
    let problems = shared.status(wall_clock()).problems;
    problems.iter().filter(|problem| !known.contains(problem)).for_each(log::problem);
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
    serde_path_to_error::deserialize(state)
        .map_err(|error| ServeError::Undecodable(file, format!("{}{}", place(&error), kind(error.inner()))))
}

fn read_file(file: &Path) -> Result<Value, ServeError> {
    let unreadable = |error| ServeError::Unreadable(file.to_owned(), error);
    // Opening a pipe would wait for who writes into it.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(ServeError::NoFile(file.to_owned()));
    }
    // From here on it is the one that was opened, whatever its name means by now.
    let mut opened = File::open(file).map_err(unreadable)?;
    let metadata = opened.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(ServeError::NoFile(file.to_owned()));
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0 {
        return Err(ServeError::Open(file.to_owned()));
    }
    // Grown while it is read, it would leave pieces of secrets behind.
    let mut text =
        Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1));
    opened.read_to_end(&mut text).map_err(unreadable)?;
    serde_json::from_slice(&text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        ServeError::Undecodable(file.to_owned(), format!("no JSON at {place}"))
    })
}

fn secrets(keys: &str) -> impl Iterator<Item = &str> {
    keys.split(',').map(str::trim).filter(|key| !key.is_empty())
}

fn from_keys(keys: &str) -> Value {
    let keys = secrets(keys).enumerate();
    let keys: Vec<Value> =
        keys.map(|(at, secret)| json!({ "id": format!("key{}", at + 1), "secret": secret })).collect();
    json!({ "keys": keys })
}

/// Which field it is: `keys[0].secret: `. Names that the user chose are left out.
fn place(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let mut place = String::new();
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => place.push_str(&format!("[{index}]")),
            Segment::Map { key } => {
                let chosen = place.ends_with("modelMap") || place.ends_with("headers");
                let dot = if place.is_empty() { "" } else { "." };
                place.push_str(&format!("{dot}{}", if chosen { "…" } else { key }));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    if place.is_empty() { place } else { format!("{place}: ") }
}

/// What serde found, but for the values it quotes: they may be secrets. What was expected is our own word, and comes last.
fn kind(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let field = text.strip_prefix("missing field ").map(|field| format!("missing field {field}"));
    let known = ["unknown variant", "invalid type", "invalid value", "invalid length"];
    let kind = known.iter().find(|kind| text.starts_with(**kind));
    let expected = kind.and_then(|_| text.rsplit_once(", expected "));
    field.unwrap_or_else(|| match (kind, expected) {
        (Some(kind), Some((_, expected))) => format!("{kind}, expected {expected}"),
        _ => "a wrong value".into(),
    })
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
                return refused(
                    "proxy",
                    "must be an http, https, socks5, socks5h or socks URL without a path",
                );
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
#[path = "serve_tests.rs"]
mod tests;
