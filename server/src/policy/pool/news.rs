//! What came of an attempt: for the decision record and the log.

use std::sync::Arc;

use aggregator_protocol::{DownReason, Reason};

use crate::policy::Ms;

/// What came of an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// Until when the blamed one rests, for the decision record.
    pub until: Option<Ms>,
    /// What is worth a line in the log.
    pub news: Vec<News>,
}

/// Something changed that a person may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A key rests for a model, and with it the other keys of its project.
    Cooling {
        /// Its id.
        key: Arc<str>,
        /// Without `models/`.
        model: Arc<str>,
        /// Why.
        reason: Reason,
        /// Until when.
        until: Ms,
    },
    /// A key is out.
    KeyOut {
        /// Its id.
        key: Arc<str>,
        /// Why.
        reason: Reason,
        /// Whether the other keys of its project are out with it.
        whole_project: bool,
        /// Until when; `None`: until it is edited or re-tested.
        until: Option<Ms>,
    },
    /// A key may not be used by one way.
    PairBlocked {
        /// Its id.
        key: Arc<str>,
        /// The way: `local` or an instance id.
        egress: String,
        /// Why.
        reason: Reason,
    },
    /// A model rests: it failed alike on several projects.
    ModelResting {
        /// Without `models/`.
        model: Arc<str>,
        /// Until when.
        until: Ms,
    },
    /// An instance is down.
    InstanceDown {
        /// Its id.
        id: Arc<str>,
        /// Why.
        reason: DownReason,
        /// Until when.
        until: Ms,
    },
    /// An instance that was down works again.
    InstanceUp {
        /// Its id.
        id: Arc<str>,
    },
    /// Two keys turned out to share a project, or a key to belong to one.
    ProjectLearnt {
        /// The key's id.
        key: Arc<str>,
        /// `projects/123`.
        project: String,
    },
    /// Every enabled key was called invalid within a minute; none is out for it.
    AllKeysInvalid,
}
