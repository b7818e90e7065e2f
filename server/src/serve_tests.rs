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

fn told(state: Value) -> String {
    let error = serde_path_to_error::deserialize::<_, DesiredState>(state).unwrap_err();
    format!("{}{}", place(&error), kind(error.inner()))
}

#[test]
fn no_value_of_the_state_is_told() {
    for (more, expected) in [
        (json!({ "port": "AIzaSECRET" }), "port: invalid type, expected i64"),
        (json!({ "keys": "AIzaSECRET" }), "keys: invalid type, expected a sequence"),
        (
            json!({ "keys": [{ "id": "a", "secret": "b" }, { "id": "AIzaSECRET" }] }),
            "keys[1]: missing field `secret`",
        ),
        (json!({ "keys": ["AIzaSECRET"] }), "keys[0]: invalid type, expected struct Key"),
        (
            json!({ "mode": "foo, expected AIzaSECRET" }),
            "mode: unknown variant, expected one of `local`, `serverless`, `hybrid`",
        ),
        (
            json!({ "mode": "missing field AIzaSECRET" }),
            "mode: unknown variant, expected one of `local`, `serverless`, `hybrid`",
        ),
        (json!({ "modelMap": { "AIzaSECRET": 7 } }), "modelMap.…: invalid type, expected a string"),
    ] {
        let mut state = more.clone();
        state["revision"] = 1.into();
        assert_eq!(told(state), expected, "{more}");
    }
    assert_eq!(told(json!({})), "missing field `revision`");
}
