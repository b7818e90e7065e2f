//! Who answers, and with which keys he is asked.

use aggregator_protocol::Secret;
use fake_gemini::{Fake, Seen};
use serde_json::{Value, json};

use super::leaks::Leaks;
use super::options::Upstream;
use super::show::counted;
use super::stage;

/// The other side of the sidecar.
pub struct World {
    fake: Option<Fake>,
    origin: String,
    /// Id, secret, and what to say about it.
    keys: Vec<(String, Secret, String)>,
}

impl World {
    /// Starts the fake if it is wanted.
    pub async fn new(upstream: &Upstream) -> Self {
        match upstream {
            Upstream::Fake => {
                let fake = stage::set().await;
                let key =
                    |(id, secret, about): (&str, &str, &str)| (id.into(), Secret::new(secret), about.into());
                Self { origin: fake.url(), fake: Some(fake), keys: stage::KEYS.map(key).into() }
            }
            Upstream::Real { origin, secrets } => {
                let key = |(at, secret): (usize, &Secret)| {
                    (format!("key{}", at + 1), secret.clone(), String::new())
                };
                Self {
                    fake: None,
                    origin: origin.clone(),
                    keys: secrets.iter().enumerate().map(key).collect(),
                }
            }
        }
    }

    /// Whether every answer is known beforehand.
    pub fn is_fake(&self) -> bool {
        self.fake.is_some()
    }

    /// What reached the fake so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.fake.as_ref().map(Fake::seen).unwrap_or_default()
    }

    /// What to look for in all that the sidecar says.
    pub fn leaks(&self) -> Leaks {
        Leaks::new(self.keys.iter().map(|(id, secret, _)| (id.as_str(), secret.expose())))
    }

    /// What the sidecar is to do, as the extension would tell it.
    pub fn state(&self, revision: u32, port: u16) -> Value {
        let key = |(id, secret, _): &(String, Secret, String)| json!({ "id": id, "secret": secret.expose() });
        let keys: Vec<Value> = self.keys.iter().map(key).collect();
        let mut state = json!({ "revision": revision, "port": port, "upstream": self.origin, "keys": keys });
        if self.is_fake() {
            // A proxy of this machine leads anywhere but to the fake.
            state["proxy"] = json!({ "kind": "direct" });
        }
        state
    }

    /// Says who plays.
    pub fn introduction(&self) -> Vec<String> {
        let count = counted(self.keys.len(), "key");
        let mut lines = vec![match self.is_fake() {
            true => format!("A fake Gemini on this machine, {count}; nothing leaves the machine"),
            false => {
                format!("{}, {count} of yours; two short requests count against their quota", self.origin)
            }
        }];
        lines.extend(self.keys.iter().map(|(id, secret, about)| {
            format!("  {id}  {}  {about}", secret.masked()).trim_end().to_owned()
        }));
        lines
    }

    /// What the streaming and the unary request ask.
    pub fn prompts(&self) -> (&'static str, &'static str) {
        (
            "Explain in three short sentences what a reverse proxy is.",
            "Name three rivers, separated by commas.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn secrets_stand_in_the_state_and_nowhere_else() {
        let secret = Secret::new("a-key-that-is-long-enough-to-mask");
        let upstream =
            Upstream::Real { origin: "https://gateway.example".into(), secrets: vec![secret.clone()] };
        let world = World::new(&upstream).await;
        assert_eq!(world.state(1, 0)["keys"], json!([{ "id": "key1", "secret": secret.expose() }]));
        let text = world.introduction().join("\n");
        assert!(text.contains("a-ke\u{2026}mask") && !text.contains(secret.expose()), "{text}");
        assert!(text.contains("https://gateway.example, 1 key of yours"), "{text}");
    }
}
