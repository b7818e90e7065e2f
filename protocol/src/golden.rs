//! The sample messages in `golden/`: what one side writes, the other side reads. The extension decodes the same files.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Binding, Candidate, DesiredState, DiagnoseParams, Diagnosis, InitializeOptions, LogLevel, LogLevelParams,
    Mode, Proxy, Record, RetestAnswer, Secret, Status, TryRequestAnswer, TryRequestParams,
};

fn decoded<T: DeserializeOwned>(golden: &str) -> T {
    serde_json::from_str(golden).unwrap()
}

/// Read and written again it is the same, so no field of the sample is unknown here and none is missing there.
fn round_trips<T: DeserializeOwned + Serialize>(golden: &str) {
    let written = serde_json::to_value(decoded::<T>(golden)).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(golden).unwrap());
}

#[test]
fn what_the_server_sends_is_read_and_written_without_loss() {
    round_trips::<Status>(include_str!("../golden/status.json"));
    round_trips::<Vec<Record>>(include_str!("../golden/records.json"));
    round_trips::<RetestAnswer>(include_str!("../golden/retest.json"));
    round_trips::<Diagnosis>(include_str!("../golden/diagnosis.json"));
    round_trips::<Vec<TryRequestAnswer>>(include_str!("../golden/tryAnswers.json"));
}

#[test]
fn a_test_request_names_its_model_or_leaves_it_to_the_server() {
    let [plain, named] = decoded::<[TryRequestParams; 2]>(include_str!("../golden/tryRequest.json"));
    assert_eq!((plain.model, named.model.as_deref()), (None, Some("gemini-2.5-pro")));
}

#[test]
fn what_may_be_diagnosed_is_the_state_a_part_of_it_or_a_candidate() {
    let [all, one, instance, key] = decoded::<[DiagnoseParams; 4]>(include_str!("../golden/diagnose.json"));
    assert!(all.subject.is_none() && all.candidate.is_none());
    assert_eq!(one.subject.as_deref(), Some("deno-us"));
    let Some(Candidate::Instance(instance)) = instance.candidate else { panic!("an instance") };
    assert_eq!((&*instance.id, instance.token), ("new", Some(Secret::new("a-token-of-24-characters"))));
    let Some(Candidate::Key(key)) = key.candidate else { panic!("a key") };
    assert_eq!((key.secret, key.binding), (Secret::new("FAKE-candidate-key"), Some(Binding::Local)));
}

#[test]
fn the_level_of_the_log_is_one_of_three() {
    let params: LogLevelParams = decoded(include_str!("../golden/logLevel.json"));
    assert_eq!(params.level, LogLevel::Debug);
    for level in ["warn", "off", "Info"] {
        serde_json::from_str::<LogLevel>(&format!("\"{level}\"")).unwrap_err();
    }
}

#[test]
fn a_full_state_is_decoded_field_by_field() {
    let state: DesiredState = decoded(include_str!("../golden/state.json"));
    assert_eq!((state.revision, state.port, state.mode), (7, 3145, Mode::Hybrid));
    assert_eq!(state.access_token, Some(Secret::new("local-token-of-this-machine")));
    let proxy = Proxy::Url {
        url: Secret::new("http://me:pw@proxy.example:3128"),
        no_proxy: Some("localhost,.corp.example".into()),
    };
    assert_eq!(state.proxy, proxy);
    assert_eq!((state.tls.ca_file.as_deref(), state.tls.strict), (Some("/etc/ssl/corp.pem"), true));
    let bindings: Vec<_> = state.keys.iter().map(|key| key.binding.clone()).collect();
    assert_eq!(bindings, [Some(Binding::Instance { id: "deno-us".into() }), Some(Binding::Local), None]);
    assert_eq!((state.keys[0].label.as_deref(), state.keys[2].enabled), (Some("work"), false));
    assert_eq!(state.instances[0].headers["x-own"], Secret::new("value"));
    assert_eq!(state.model_map["claude-gemini-3-pro"], "gemini-3-pro");
}

#[test]
fn the_options_of_initialize_hold_a_state_that_is_decoded_later() {
    let golden = include_str!("../golden/initialize.json");
    let options: InitializeOptions = decoded(golden);
    assert_eq!(
        (options.protocol, options.pool.as_str(), options.host.as_str()),
        (1, "5f0c2b9e7d1a4c38", "b7d0e2f14a6c9835")
    );
    let state: DesiredState = serde_json::from_value(decoded::<Value>(golden)["state"].take()).unwrap();
    assert_eq!((state.port, state.max_attempts, state.mode), (3145, 5, Mode::Local));
    assert!(!format!("{options:?}").contains("FAKE"));
}
