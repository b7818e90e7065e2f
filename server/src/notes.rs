//! What a status says beside the pool: what is wrong with the configuration in force, and with the running process.

use std::collections::BTreeSet;

use aggregator_protocol::{Problem, ProblemCode, Severity};

use crate::log;

/// What a status says beside the pool.
#[derive(Default)]
pub struct Notes {
    /// Of the last state that could not be decoded.
    pub rejected_revision: Option<u64>,
    /// Of the configuration in force.
    pub config: Vec<Problem>,
    /// Of the running process: port, ledger, trust.
    process: BTreeSet<Problem>,
}

impl Notes {
    /// Problems of the running process.
    pub fn process(&self) -> impl Iterator<Item = &Problem> {
        self.process.iter()
    }

    /// Notes a problem until it is cleared; whether that is news, which is logged.
    pub fn raise(&mut self, code: ProblemCode, subject: Option<String>, severity: Severity) -> bool {
        let one = Problem { code, subject, severity };
        let news = !self.process.contains(&one);
        if news {
            log::problem(&one);
            self.process.insert(one);
        }
        news
    }

    /// Notes one problem of this group, an error, in the place of all others; whether that is news.
    pub fn raise_only(&mut self, group: &[ProblemCode], code: ProblemCode, subject: String) -> bool {
        let one = Problem { code, subject: Some(subject), severity: Severity::Error };
        self.process.retain(|problem| !group.contains(&problem.code) || *problem == one);
        self.raise(one.code, one.subject, one.severity)
    }

    /// Takes every problem with this code back; whether there was one.
    pub fn clear(&mut self, code: ProblemCode) -> bool {
        let before = self.process.len();
        self.process.retain(|problem| problem.code != code);
        self.process.len() != before
    }
}
