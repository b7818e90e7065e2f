//! temp
#![allow(missing_docs)]
use super::{Ms, config::Config, route::*, verdict::Verdict};
use aggregator_protocol::*;
use std::sync::Arc;
pub struct Pool;
pub enum News {
    Cooling { key: Arc<str>, model: Arc<str>, reason: Reason, until: Ms },
    KeyOut { key: Arc<str>, reason: Reason, until: Option<Ms> },
    InstanceDown { id: Arc<str>, reason: DownReason, until: Ms },
    InstanceUp { id: Arc<str> },
    ModelRests { model: Arc<str>, until: Ms },
    AllKeysInvalid,
}
pub struct Effect {
    pub until: Option<Ms>,
    pub news: Vec<News>,
}
pub struct View {
    pub keys: Vec<KeyStatus>,
    pub instances: Vec<InstanceStatus>,
    pub active_instances: u32,
    pub problems: Vec<Problem>,
}
impl Pool {
    pub fn new() -> Self {
        Pool
    }
    pub fn reconcile(&mut self, _: &Config, _: Ms) {}
    pub fn choose(
        &mut self,
        _: Terms,
        _: &str,
        _: &[Tried],
        _: Option<KeySlot>,
        _: Ms,
    ) -> Result<Route, NoRoute> {
        Err(NoRoute::NoKeys)
    }
    pub fn skipped(&self, _: Terms, _: &str, _: Ms) -> Vec<Skipped> {
        vec![]
    }
    pub fn earliest(&self, _: Terms, _: &str, _: Ms) -> Option<Ms> {
        None
    }
    pub fn apply(&mut self, _: &Route, _: &Verdict, _: Option<&str>, _: Ms) -> Effect {
        Effect { until: None, news: vec![] }
    }
    pub fn used(&mut self, _: &Route, _: u64, _: Ms) {}
    pub fn release(&mut self, _: &Route) {}
    pub fn view(&self, _: &Config, _: Ms) -> View {
        View { keys: vec![], instances: vec![], active_instances: 0, problems: vec![] }
    }
}
