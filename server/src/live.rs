//! The configuration in force with what was built from it: one immutable snapshot a request.

use std::sync::Arc;

use crate::dial::Clients;
use crate::policy::config::Config;
use crate::redact::Redactor;

/// One request's truth: the configuration and what was built from it.
pub struct Live {
    /// The configuration in force when the request came.
    pub config: Arc<Config>,
    /// The connections it may use.
    pub clients: Arc<Clients>,
    /// Hides the secrets of that configuration.
    pub redactor: Arc<Redactor>,
    /// Finds the keys of the pool alone.
    pub keys: Redactor,
}

impl Live {
    /// Of this configuration; connections are kept where proxy and trust stay as they were.
    pub fn new(config: Arc<Config>, previous: Option<&Live>) -> Arc<Self> {
        let kept =
            previous.map(|live| &live.clients).filter(|clients| clients.serve(&config.proxy, &config.tls));
        let clients = kept.cloned().unwrap_or_else(|| Clients::new(config.proxy.clone(), config.tls.clone()));
        let redactor = Arc::new(Redactor::new(config.secrets().chain(clients.secrets())));
        let keys = Redactor::new(config.keys.iter().map(|key| key.secret.clone()));
        Arc::new(Self { config, clients, redactor, keys })
    }
}
