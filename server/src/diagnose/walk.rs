//! Goes one way, step by step, and writes down what it finds. What a step needs and did not get ends the walk; what does not
//! come in time is written down as that.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aggregator_protocol::{Check, CheckCode, CheckDetail, Fault};
use tokio::time::{Instant, timeout_at};

use super::plan::{Asked, Route, Target};
use super::reading::{self, Reading};
use crate::aside::{self, Question, Way};
use crate::dial::DialError;
use crate::dial::probe::{Host, Open, Refusal};
use crate::live::Live;
use crate::policy::base::Base;
use crate::policy::config::Instance;
use crate::policy::health::{self, RELAY_PROTOCOL, Relay};
use crate::policy::route::Egress;
use crate::redact::Redactor;

/// For one check.
const EACH: Duration = Duration::from_secs(4);
/// For the whole diagnosis; what is left is for the answer itself.
const ALL: Duration = Duration::from_millis(9_500);
/// Names and addresses that are told.
const MOST: usize = 8;
/// Characters of a sentence that are told.
const LONGEST: usize = 300;

/// What all walks of a diagnosis share.
pub struct Tools<'a> {
    live: &'a Arc<Live>,
    redactor: Redactor,
    deadline: Instant,
}

impl<'a> Tools<'a> {
    /// From now on.
    pub fn new(live: &'a Arc<Live>, redactor: Redactor) -> Self {
        Self { live, redactor, deadline: Instant::now() + ALL }
    }
}

/// What a step found: something to go on with, or a fault; and facts.
type Found<T> = (Result<T, Fault>, CheckDetail);

/// Goes one way.
pub async fn walk(target: &Target, tools: &Tools<'_>) -> Vec<Check> {
    let mut walk = Walk { subject: &target.subject, tools, checks: Vec::new() };
    walk.go(target).await;
    walk.checks
}

struct Walk<'a> {
    subject: &'a str,
    tools: &'a Tools<'a>,
    checks: Vec<Check>,
}

impl Walk<'_> {
    async fn go(&mut self, target: &Target) -> Option<()> {
        match &target.route {
            Route::Refused(rule) => {
                let detail = CheckDetail { rule: Some(rule.clone()), ..CheckDetail::default() };
                self.note(CheckCode::Dns, Some(Fault::Settings), detail);
            }
            Route::NoWay => self.key_alone(&target.key),
            Route::Direct => {
                let upstream = self.tools.live.config.upstream.as_ref()?;
                self.connect(&Egress::Direct, upstream).await?;
                self.gemini(Way::Direct(Some(upstream)), None, &target.key).await?;
            }
            Route::Relay(instance) => {
                self.connect(&Egress::Relay(instance.id.clone()), &instance.base).await?;
                self.relay(instance).await?;
                self.gemini(Way::Relay(instance), Some(instance.token.is_some()), &target.key).await?;
            }
        }
        Some(())
    }

    // --- the connection ---

    async fn connect(&mut self, egress: &Egress, base: &Base) -> Option<()> {
        let host = Host::of(base)?;
        let open = self.open(&host).await?;
        if base.https { self.tls(egress, &host, open).await } else { Some(()) }
    }

    async fn open(&mut self, host: &Host) -> Option<Open> {
        let clients = &self.tools.live.clients;
        let to = |name: String| CheckDetail { host: Some(name), ..CheckDetail::default() };
        match clients.proxy_for(host) {
            Err(error) => {
                self.note(CheckCode::Proxy, Some(Fault::Settings), settings(to(host.with_port()), &error));
                return None;
            }
            Ok(Some(proxy)) => {
                let facts = CheckDetail { proxy: Some(proxy), ..to(host.with_port()) };
                let connecting = async {
                    match clients.by_proxy(host).await {
                        Ok(open) => (Ok(open), facts.clone()),
                        Err(Refusal::Fault(fault)) => (Err(fault), facts.clone()),
                        Err(Refusal::Settings(error)) => {
                            (Err(Fault::Settings), settings(facts.clone(), &error))
                        }
                    }
                };
                return self.step(CheckCode::Proxy, facts.clone(), connecting).await;
            }
            Ok(None) => {}
        }
        let addresses = match host.address() {
            Some(address) => vec![address],
            None => {
                let facts = to(host.name.clone());
                let resolving = async {
                    let found = host.resolve().await;
                    let addresses = found.as_deref().ok().map(shown);
                    (found, CheckDetail { addresses, ..facts.clone() })
                };
                self.step(CheckCode::Dns, facts.clone(), resolving).await?
            }
        };
        let facts = to(host.with_port());
        let connecting = async {
            match host.connect(addresses.clone()).await {
                Ok((open, address)) => {
                    (Ok(open), CheckDetail { addresses: Some(shown(&[address])), ..facts.clone() })
                }
                Err(fault) => {
                    (Err(fault), CheckDetail { addresses: Some(shown(&addresses)), ..facts.clone() })
                }
            }
        };
        let late = CheckDetail { addresses: Some(shown(&addresses)), ..facts.clone() };
        self.step(CheckCode::Tcp, late, connecting).await
    }

    async fn tls(&mut self, egress: &Egress, host: &Host, open: Open) -> Option<()> {
        let tools = self.tools;
        let facts = CheckDetail { host: Some(host.with_port()), ..CheckDetail::default() };
        let shaking = async {
            let shaken = tools.live.clients.handshake(egress, host, open).await;
            let names = shaken.names.map(|names| {
                names.iter().take(MOST).map(|name| tools.redactor.text(name)).collect::<Vec<_>>()
            });
            let facts = CheckDetail { certificate: names.filter(|names| !names.is_empty()), ..facts.clone() };
            match shaken.result {
                Ok(()) => (Ok(()), facts),
                Err(Refusal::Fault(fault)) => (Err(fault), facts),
                Err(Refusal::Settings(error)) => (Err(Fault::Settings), settings(facts, &error)),
            }
        };
        self.step(CheckCode::Tls, facts.clone(), shaking).await
    }

    // --- the relay ---

    async fn relay(&mut self, instance: &Instance) -> Option<()> {
        let clients = &self.tools.live.clients;
        let asking = async {
            match aside::health(clients, instance, EACH).await {
                Err(unanswered) => (Err(unanswered.fault()), CheckDetail::default()),
                Ok((reading, answer)) => {
                    let none = matches!(reading, health::Reading::NoHealth).then_some(Fault::NoHealth);
                    let facts =
                        CheckDetail { status: Some(answer.status), fault: none, ..CheckDetail::default() };
                    match reading {
                        health::Reading::Down(_) => (Err(Fault::ServerError), facts),
                        reading => (Ok(reading), facts),
                    }
                }
            }
        };
        match self.step(CheckCode::RelayHealth, CheckDetail::default(), asking).await? {
            health::Reading::Up(relay) => self.says(relay),
            health::Reading::Token(fault) => {
                self.note(CheckCode::RelayToken, Some(fault), CheckDetail::default());
                return None;
            }
            _ => {}
        }
        Some(())
    }

    /// What a relay that is ours, or the original's, says of itself.
    fn says(&mut self, relay: Relay) {
        if relay.protocol.is_none() && !relay.detail.legacy {
            return;
        }
        let fault = match relay.protocol {
            Some(RELAY_PROTOCOL) | None => None,
            Some(_) => Some(Fault::OtherProtocol),
        };
        let clean = |text: Option<String>| text.map(|text| self.tools.redactor.text(&text));
        let mut detail = relay.detail;
        detail.version = clean(detail.version);
        detail.runtime = clean(detail.runtime);
        detail.region = clean(detail.region);
        let facts = CheckDetail { relay: Some(detail), ..CheckDetail::default() };
        self.note(CheckCode::RelayVersion, fault, facts);
        if relay.token_accepted {
            self.note(CheckCode::RelayToken, None, CheckDetail::default());
        }
    }

    // --- Gemini ---

    /// One request shows both whether Gemini is there and what it thinks of the key.
    async fn gemini(&mut self, way: Way<'_>, relayed: Option<bool>, key: &Asked) -> Option<()> {
        let tools = self.tools;
        let secret = match key {
            Asked::Key { secret, .. } => Some(secret),
            _ => None,
        };
        let asking = async {
            let clients = &tools.live.clients;
            match aside::gemini(clients, way, secret, Question::Models, EACH).await {
                Err(unanswered) => (Err(unanswered.fault()), CheckDetail::default()),
                Ok(answer) => {
                    let mut reading = reading::read(&answer, relayed);
                    let sentence = reading.message.take().map(|message| tools.sentence(&message));
                    reading.message = sentence;
                    let mut facts = CheckDetail { status: Some(answer.status), ..CheckDetail::default() };
                    if reading.reach.is_err() {
                        facts.rule = Some(reading.rule.to_owned());
                        facts.message.clone_from(&reading.message);
                    }
                    (reading.reach.map(|()| (reading, answer.status)), facts)
                }
            }
        };
        let (reading, status) = self.step(CheckCode::Reach, CheckDetail::default(), asking).await?;
        match key {
            Asked::Key { id, .. } => self.judged(id.clone(), reading, status),
            other => self.key_alone(other),
        }
        Some(())
    }

    fn judged(&mut self, id: Option<String>, reading: Reading, status: u16) {
        let facts = CheckDetail {
            status: Some(status),
            key: id,
            rule: Some(reading.rule.to_owned()),
            message: reading.message,
            ..CheckDetail::default()
        };
        self.note(CheckCode::Key, reading.key.err(), facts);
    }

    /// What is to be said of a key that was not sent.
    fn key_alone(&mut self, asked: &Asked) {
        let (fault, facts) = match asked {
            Asked::Nothing => return,
            Asked::Key { id, .. } | Asked::NoKey { id } => {
                (Fault::NoKey, CheckDetail { key: id.clone(), ..CheckDetail::default() })
            }
            Asked::Refused(rule) => {
                (Fault::Settings, CheckDetail { rule: Some(rule.clone()), ..CheckDetail::default() })
            }
        };
        self.note(CheckCode::Key, Some(fault), facts);
    }

    // --- writing down ---

    /// A check by which something is sent. `late`: the facts if it does not come in time.
    async fn step<T>(
        &mut self,
        code: CheckCode,
        late: CheckDetail,
        work: impl Future<Output = Found<T>>,
    ) -> Option<T> {
        let begun = Instant::now();
        let until = (begun + EACH).min(self.tools.deadline);
        let (result, detail) = timeout_at(until, work).await.unwrap_or((Err(Fault::TimedOut), late));
        let took = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
        self.write(code, result.as_ref().err().copied(), Some(took), detail);
        result.ok()
    }

    /// A check that follows from what is known.
    fn note(&mut self, code: CheckCode, fault: Option<Fault>, detail: CheckDetail) {
        self.write(code, fault, None, detail);
    }

    fn write(&mut self, code: CheckCode, fault: Option<Fault>, latency_ms: Option<u32>, detail: CheckDetail) {
        let detail = CheckDetail { fault: fault.or(detail.fault), ..detail };
        let subject = self.subject.to_owned();
        self.checks.push(Check { subject, code, ok: fault.is_none(), latency_ms, detail });
    }
}

impl Tools<'_> {
    /// Somebody else's sentence as it may be told.
    fn sentence(&self, text: &str) -> String {
        self.redactor.text(text).chars().take(LONGEST).collect()
    }
}

fn shown(addresses: &[IpAddr]) -> Vec<String> {
    addresses.iter().take(MOST).map(IpAddr::to_string).collect()
}

fn settings(detail: CheckDetail, error: &DialError) -> CheckDetail {
    let rule = match error {
        DialError::Proxy(_) => "proxyUrl",
        DialError::CaFile(_) => "caFile",
        DialError::Trust(_) => "trust",
    };
    CheckDetail { rule: Some(rule.into()), ..detail }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
