//! Who answers, with which keys he is asked, and by which relays.

use aggregator_protocol::Secret;
use fake_gemini::{Fake, Seen};
use serde_json::{Value, json};

use super::folder::random;
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
    /// Instance id and token of each relay there may be.
    relays: Vec<(&'static str, Secret)>,
}

impl World {
    /// Starts the fake if it is wanted.
    pub async fn new(upstream: &Upstream) -> Self {
        match upstream {
            Upstream::Fake => {
                let fake = stage::set().await;
                let key =
                    |(id, secret, about): (&str, &str, &str)| (id.into(), Secret::new(secret), about.into());
                let relay = |id| (id, Secret::new(format!("{:016x}{:016x}", random(), random())));
                Self {
                    origin: fake.url(),
                    fake: Some(fake),
                    keys: stage::KEYS.map(key).into(),
                    relays: stage::RELAYS.map(relay).into(),
                }
            }
            Upstream::Real { origin, secrets } => {
                let key = |(at, secret): (usize, &Secret)| {
                    (format!("key{}", at + 1), secret.clone(), String::new())
                };
                Self {
                    fake: None,
                    origin: origin.clone(),
                    keys: secrets.iter().enumerate().map(key).collect(),
                    relays: Vec::new(),
                }
            }
        }
    }

    /// Whether every answer is known beforehand.
    pub fn is_fake(&self) -> bool {
        self.fake.is_some()
    }

    /// The fake, if it is one.
    pub fn fake(&self) -> Option<&Fake> {
        self.fake.as_ref()
    }

    /// Where the sidecar and the relays send what they send.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What a relay of this id wants to be shown.
    pub fn token(&self, id: &str) -> Option<&Secret> {
        self.relays.iter().find(|(other, _)| *other == id).map(|(_, token)| token)
    }

    /// What reached the fake so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.fake.as_ref().map(Fake::seen).unwrap_or_default()
    }

    /// What to look for in all that the sidecar says.
    pub fn leaks(&self) -> Leaks {
        let keys = self.keys.iter().map(|(id, secret, _)| (id.as_str(), secret.expose()));
        let tokens = self.relays.iter().map(|(id, token)| (*id, token.expose()));
        Leaks::new(keys.chain(tokens))
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

    /// The same by these relays, each with its port, and directly where they fail; one key is bound to the first of them.
    pub fn state_by_relays(&self, revision: u32, port: u16, relays: &[(&str, u16)]) -> Value {
        let mut state = self.state(revision, port);
        let instance = |(id, port): &(&str, u16)| {
            let token = self.token(id).map(Secret::expose);
            json!({ "id": id, "url": format!("http://127.0.0.1:{port}"), "token": token })
        };
        state["mode"] = json!("hybrid");
        state["instances"] = relays.iter().map(instance).collect();
        for key in state["keys"].as_array_mut().into_iter().flatten() {
            if key["id"] == stage::BOUND {
                key["binding"] = json!({ "kind": "instance", "id": stage::RELAYS[0] });
            }
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

    #[tokio::test]
    async fn relays_have_tokens_of_their_own_and_one_key_is_bound_to_the_first() {
        let world = World::new(&Upstream::Fake).await;
        let state = world.state_by_relays(2, 0, &[("relay-a", 1), ("relay-b", 2)]);
        let tokens: Vec<&str> =
            ["relay-a", "relay-b"].iter().map(|id| world.token(id).unwrap().expose()).collect();
        assert!(tokens[0] != tokens[1] && tokens[0].len() >= 24);
        assert_eq!(
            state["instances"][1],
            json!({ "id": "relay-b", "url": "http://127.0.0.1:2", "token": tokens[1] })
        );
        let bindings: Vec<&Value> =
            state["keys"].as_array().unwrap().iter().map(|key| &key["binding"]).collect();
        assert_eq!(bindings, [&Value::Null, &json!({ "kind": "instance", "id": "relay-a" }), &Value::Null]);
        assert_eq!((&state["mode"], &state["revision"]), (&json!("hybrid"), &json!(2)));
        let mut leaks = world.leaks();
        leaks.look("the log", tokens[1].as_bytes());
        assert_eq!(leaks.found(), ["relay-b in the log"]);
    }
}
