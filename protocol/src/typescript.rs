//! Writes `../protocol.ts` from the types; the test fails when the committed file is stale.

use std::fs;

use ts_rs::{Config, TS};

use crate::*;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/protocol.ts");

fn rendered() -> String {
    let mut text = String::from(
        "// Written from protocol/src: UPDATE=1 cargo test -p aggregator-protocol\n\
         // Times are milliseconds since the Unix epoch, durations milliseconds, unless a name says otherwise.\n\n",
    );
    text.push_str(&format!("export const PROTOCOL = {PROTOCOL};\n"));
    for (name, method) in [
        ("DID_CHANGE_STATE", DID_CHANGE_STATE),
        ("DID_CHANGE_STATUS", DID_CHANGE_STATUS),
        ("DID_CHANGE_LOG_LEVEL", DID_CHANGE_LOG_LEVEL),
        ("RECORDS", RECORDS),
        ("RETEST", RETEST),
        ("DIAGNOSE", DIAGNOSE),
        ("TRY_REQUEST", TRY_REQUEST),
    ] {
        text.push_str(&format!("export const {name} = \"{method}\";\n"));
    }
    let config = Config::default();
    macro_rules! declare {
        ($($type:ty),* $(,)?) => {$(
            text.push('\n');
            if let Some(docs) = <$type as TS>::docs() {
                text.push_str(docs.trim_end());
                text.push('\n');
            }
            text.push_str("export ");
            text.push_str(&<$type as TS>::decl(&config));
            text.push('\n');
        )*};
    }
    declare![
        InitializeOptions,
        DesiredState,
        Mode,
        Proxy,
        Tls,
        Key,
        Binding,
        Instance,
        Status,
        Role,
        Leader,
        InstanceStatus,
        Health,
        DownReason,
        KeyStatus,
        ModelUse,
        KeyState,
        CoolingModel,
        Reason,
        Problem,
        Severity,
        ProblemCode,
        LogLevelParams,
        LogLevel,
        RecordsParams,
        Record,
        End,
        AttemptRecord,
        SkippedRecord,
        RetestParams,
        RetestAnswer,
        RetestDetail,
        DiagnoseParams,
        Candidate,
        CandidateKey,
        Diagnosis,
        Check,
        CheckCode,
        CheckDetail,
        RelayDetail,
        Fault,
        TryRequestParams,
        TryRequestAnswer,
    ];
    text
}

#[test]
fn the_committed_typescript_is_current() {
    let rendered = rendered();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PATH, &rendered).expect("write protocol.ts");
    }
    let committed = fs::read_to_string(PATH).unwrap_or_default();
    assert_eq!(committed, rendered, "run: UPDATE=1 cargo test -p aggregator-protocol");
}
