use proptest::prelude::*;

use super::*;

fn scan(array: bool, json: &str) -> (bool, bool, Option<u64>) {
    let mut scan = Scan::new(array);
    scan.feed(json.as_bytes());
    (scan.finished(), scan.fault().is_some(), scan.tokens())
}

const ANSWER: &str = r#"{"candidates": [{"content": {"parts": [{"text": "a \"quoted\" \\"}], "role": "model"},
    "finishReason": "STOP", "index": 0}], "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 17}}"#;

#[test]
fn reason_and_tokens_are_found_in_an_object_and_in_an_array() {
    assert_eq!(scan(false, ANSWER), (true, false, Some(17)));
    assert_eq!(scan(true, &format!("[{ANSWER},\n{}]", ANSWER.replace("17", "21"))), (true, false, Some(21)));
}

#[test]
fn the_openai_spelling_counts_too_and_null_is_no_reason() {
    let chunk =
        |reason: &str| format!(r#"{{"choices":[{{"delta":{{"content":"a"}},"finish_reason":{reason}}}]}}"#);
    assert_eq!(scan(false, &chunk("null")), (false, false, None));
    assert_eq!(scan(false, &chunk("\"stop\"")), (true, false, None));
    assert_eq!(
        scan(false, r#"{"choices":[],"usage":{"prompt_tokens":3,"total_tokens":9}}"#),
        (false, false, Some(9))
    );
}

#[test]
fn the_same_words_elsewhere_do_not_count() {
    for json in [
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"finishReason":"STOP"}}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"\"finishReason\":\"STOP\""}]}}]}"#,
        r#"{"finishReason":"STOP"}"#,
        r#"{"candidates":[{"finishReason":""}]}"#,
        r#"{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#,
        r#"{"x":{"blockReason":"SAFETY","totalTokenCount":5,"error":{}}}"#,
    ] {
        assert_eq!(scan(false, json), (false, false, None), "{json}");
    }
}

#[test]
fn a_blocked_prompt_is_a_finish_and_an_error_is_an_error() {
    assert_eq!(scan(false, r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#), (true, false, None));
    assert_eq!(scan(false, r#"{"error":{"code":503}}"#), (false, true, None));
    assert_eq!(scan(true, r#"[{"error":{"code":503}}]"#), (false, true, None));
}

#[test]
fn a_fault_is_told_at_its_first_byte_whether_in_an_array_or_not_and_only_of_the_last_root_object() {
    for (json, fault) in [
        (r#"{"responseId": "r", "error": {"#, Some(Fault::Object)),
        (r#"[{"a": [{"error": {}}]}, {"error" : ""#, Some(Fault::Text)),
        (r#"{"x": {"type": "error"}, "event_type": "error""#, Some(Fault::Named)),
        (r#"[{"type":"error""#, Some(Fault::Named)),
        (r#"{"error": null, "type": "errors", "a": "error", "b": [{"error": {}}]}"#, None),
        (r#"[{"error": 1}, "error", {"error": [{"error": "x"}]}, [{"error": "x"}]]"#, None),
    ] {
        let mut scan = Scan::either();
        let at = scan.feed_until(json.as_bytes(), |scan| scan.fault().is_some());
        assert_eq!((at, scan.fault()), (fault.map(|_| json.len()), fault), "{json}");
    }
    let mut scan = Scan::either();
    scan.feed(br#"[{"error": {}}"#);
    assert_eq!(scan.fault(), Some(Fault::Object));
    scan.feed(b", {");
    assert_eq!(scan.fault(), None);
}

#[test]
fn an_array_tells_where_it_stands() {
    let mut scan = Scan::new(true);
    let steps = [
        ("", None, true),
        ("[", Some(false), true),
        ("{", Some(true), false),
        ("}", Some(true), true),
        (",", Some(false), true),
    ];
    for (piece, opened, at_root) in steps {
        scan.feed(piece.as_bytes());
        assert_eq!((scan.opened(), scan.at_root()), (opened, at_root), "{piece}");
    }
    assert!(!scan.closed());
    scan.feed(b"{}]\n");
    assert!(scan.closed());
}

proptest! {
    #[test]
    fn pieces_of_any_size_say_the_same(cuts in proptest::collection::vec(0..ANSWER.len(), 0..20)) {
        let mut cuts = cuts;
        cuts.extend([0, ANSWER.len()]);
        cuts.sort_unstable();
        let mut scan = Scan::new(false);
        for pair in cuts.windows(2) {
            scan.feed(&ANSWER.as_bytes()[pair[0]..pair[1]]);
        }
        prop_assert_eq!((scan.finished(), scan.fault(), scan.tokens()), (true, None, Some(17)));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), array: bool) {
        let mut scan = Scan::new(array);
        for piece in bytes.chunks(7) {
            scan.feed(piece);
        }
        scan.restart();
        scan.feed(b"{\"error\":{}}");
    }

    #[test]
    fn any_json_like_text_is_survived(text in r#"[\[\]{}",:\\a-c0-9 ]{0,200}"#, array: bool) {
        Scan::new(array).feed(text.as_bytes());
    }
}
