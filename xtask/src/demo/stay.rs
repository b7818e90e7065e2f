//! After the two requests: the endpoint stays up for other programs until a signal.

use aggregator_protocol::RecordsParams;

use super::screen::Screen;
use super::sidecar::Sidecar;
use super::signals::Signals;
use super::{records, show};

/// Requests between two states are shown up to this many.
const SHOWN: u32 = 20;

/// What to point at the endpoint, and how.
pub fn advice(port: u16, model: &str, fake: bool) -> Vec<String> {
    let base = format!("http://127.0.0.1:{port}");
    let who = if fake { "the fake Gemini answers, with one and the same text" } else { "your keys answer" };
    let mut lines = vec![
        String::new(),
        format!("The endpoint stays up: {who}. Ctrl-C ends it."),
        String::new(),
        format!("  curl -N '{base}/v1beta/models/{model}:streamGenerateContent?alt=sse' \\"),
        r#"    -H 'content-type: application/json' -d '{"contents":[{"parts":[{"text":"Hello"}]}]}'"#.into(),
        String::new(),
    ];
    let clients = [
        ("Gemini CLI", format!("GOOGLE_GEMINI_BASE_URL={base} GEMINI_API_KEY=anything gemini")),
        ("google-genai", format!("Client(api_key=\"anything\", http_options={{\"base_url\": \"{base}\"}})")),
        ("Cline, Kilo", format!("provider Gemini, \"use custom base URL\": {base}")),
        ("Continue", format!("provider: gemini, apiBase: {base}/v1beta/")),
    ];
    lines.extend(clients.map(|(client, setting)| format!("  {client:<14}{setting}")));
    lines.push(String::new());
    lines
}

/// Shows what other programs ask for, until a signal comes.
pub async fn until(signals: &mut Signals, sidecar: &mut Sidecar, screen: &Screen) -> anyhow::Result<()> {
    let params = RecordsParams { limit: Some(SHOWN), request_id: None };
    let mut last = records(sidecar, &params).await?.first().map(|record| record.id.clone());
    loop {
        tokio::select! {
            changed = sidecar.changed() => changed?,
            () = signals.next() => return Ok(()),
        }
        let found = records(sidecar, &params).await?;
        let new: Vec<_> = found.iter().take_while(|record| last.as_ref() != Some(&record.id)).collect();
        new.iter().rev().for_each(|record| screen.line(&format!("  {}", show::request(record))));
        last = found.first().map(|record| record.id.clone()).or(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_told_the_port() {
        let text = advice(40_001, "gemini-x", true).join("\n");
        assert_eq!(text.matches("http://127.0.0.1:40001").count(), 5, "{text}");
        assert!(
            text.contains("models/gemini-x:streamGenerateContent?alt=sse") && text.contains("fake Gemini")
        );
        assert!(advice(1, "m", false).join("\n").contains("your keys"));
    }
}
