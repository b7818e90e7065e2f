//! The second act: the same sidecar in hybrid mode with two real relays. One of them is killed while requests go on and started
//! again, and no caller notices. Needs the fake, because a relay under test passes on to this machine only, and Node.

use std::time::Duration;

use aggregator_protocol::{DID_CHANGE_STATE, Health, Secret, Status};
use anyhow::Context;
use tokio::sync::Notify;

use super::checks::{Check, Told};
use super::outage_checks::{self, Outage};
use super::relay::{self, Orders, Relay};
use super::{Played, Run, ask, client, path, record, show, stage, wall_clock};

const STREAM: &str = "streamGenerateContent?alt=sse";
const UNARY: &str = "generateContent";
/// The second half of the stream that lasts waits for this act, so its first half is all there is to wait for.
const BEGINS_WITHIN: Duration = Duration::from_secs(15);
/// What the output of the relays is called, in the order of [`stage::RELAYS`].
const PLACES: [&str; 2] = ["relay-a's output", "relay-b's output"];

/// Plays it. No checks come of it where it cannot be played; then it says why.
pub async fn play(run: Run<'_>, played: &mut Played) -> anyhow::Result<Vec<Check>> {
    let node = match (run.world.fake(), relay::node().await) {
        (None, _) => {
            run.screen.line("\nNo second act: a relay under test passes on to this machine only.");
            return Ok(Vec::new());
        }
        (_, Err(why)) => {
            run.screen.line(&format!("\nNo second act: its relays need Node 20 or newer, and {why}."));
            return Ok(Vec::new());
        }
        (Some(_), Ok(node)) => node,
    };
    let (statuses, seen) = (played.sidecar.statuses().len(), run.world.seen().len());
    run.screen.line(&format!("\nSecond act: hybrid mode, by two relays (relay/relay.mjs on Node {node})"));
    let told = requests(run, played).await?;
    let settled =
        |status: &Status| status.active_instances == 2 && status.keys.iter().all(|key| key.in_flight == 0);
    played.sidecar.wait("the end of the last request", settled).await?;
    let outage = Outage {
        told,
        statuses: played.sidecar.statuses().split_off(statuses),
        seen: run.world.seen().split_off(seen),
    };
    Ok(outage_checks::with_relays(&outage))
}

/// Sends all of them, in the order of [`outage_checks::WANTED`].
async fn requests(run: Run<'_>, played: &mut Played) -> anyhow::Result<Vec<Told>> {
    let fake = run.world.fake().context("a second act has a fake")?;
    let gate = stage::set_again(fake);
    open(run, played).await?;

    run.screen.line(&format!("\nA stream by relay-a, to which {} is bound", stage::BOUND));
    let bound = ask(run, played.port, &mut played.sidecar, STREAM, PROMPT).await?;
    run.screen.line("\nAnother; the other key goes by the relays in turn");
    let unbound = ask(run, played.port, &mut played.sidecar, STREAM, PROMPT).await?;
    let again = quietly(run, played, UNARY).await?;
    run.screen.line("\nThe first key again");
    again.record.iter().for_each(|record| run.screen.line(&format!("  {}", show::request(record))));

    run.screen.line("\nA stream by relay-b that lasts, while relay-a is killed and requests go on\n");
    let (begun, target) = (Notify::new(), path(run.options, STREAM));
    let stream = client::ask(played.port, &target, PROMPT, |text| {
        run.screen.stream(text);
        begun.notify_one();
    });
    let meanwhile = async {
        tokio::time::timeout(BEGINS_WITHIN, begun.notified()).await.context("the stream does not begin")?;
        let told = meanwhile(run, played).await?;
        gate.open();
        anyhow::Ok(told)
    };
    let (answer, meanwhile) = tokio::try_join!(stream, meanwhile)?;
    run.screen.end_stream();
    run.look_at(&answer);
    let record = record(&mut played.sidecar, &answer.id).await?;
    run.screen.line(&format!("\n{}", show::answer(&answer)));
    record.iter().for_each(|record| run.screen.lines(&show::record(record, wall_clock())));
    let lasting = Told { answer, record };
    Ok([bound, unbound, again, lasting].into_iter().chain(meanwhile).collect())
}

/// Starts the relays and tells the sidecar of them.
async fn open(run: Run<'_>, played: &mut Played) -> anyhow::Result<()> {
    let [first, second] = [(0, 0), (1, 0)].map(|(at, port)| start(run, at, port));
    let (first, second) = tokio::try_join!(first, second)?;
    let relays = [(stage::RELAYS[0], first.port), (stage::RELAYS[1], second.port)];
    for (id, port) in relays {
        let token = run.world.token(id).map(Secret::masked).unwrap_or_default();
        run.screen.line(&format!("  {id}  http://127.0.0.1:{port}  token {token}"));
    }
    played.relays = vec![first, second];
    played.asked.0 += 1;
    let state = run.world.state_by_relays(played.asked.0, played.asked.1, &relays);
    played.sidecar.notify(DID_CHANGE_STATE, state).await?;
    played.sidecar.wait("two relays that are up", |status| status.active_instances == 2).await?;
    Ok(())
}

async fn start(run: Run<'_>, at: usize, port: u16) -> anyhow::Result<Relay> {
    let token = run.world.token(stage::RELAYS[at]).context("every relay has a token")?;
    let orders = Orders { port, token: token.expose(), upstream: run.world.origin(), place: PLACES[at] };
    Relay::start(orders, run.heard).await.with_context(|| format!("no {}", stage::RELAYS[at]))
}

/// While the long stream comes: the first relay dies, requests go on, it comes back, one more goes by it.
async fn meanwhile(run: Run<'_>, played: &mut Played) -> anyhow::Result<Vec<Told>> {
    let (relay, port) = (stage::RELAYS[0], played.relays[0].port);
    played.relays.remove(0).kill().await?;
    run.screen.aside(&format!("  {relay} is killed"));
    let refused = quietly(run, played, STREAM).await?;
    run.screen.aside(&format!("  The next request of {}, from the caller's side:", stage::BOUND));
    run.screen.aside(&format!("  {}, X-Forwarded-To: {}", show::answer(&refused.answer), refused.answer.way));
    if let Some(record) = &refused.record {
        show::record(record, wall_clock()).iter().for_each(|line| run.screen.aside(line));
    }
    let around = quietly(run, played, UNARY).await?;
    run.screen.aside("  The one after it does not even try relay-a:");
    around.record.iter().for_each(|record| run.screen.aside(&format!("  {}", show::request(record))));
    let down = |status: &Status| {
        let health = status.instances.iter().find(|instance| instance.id == relay);
        health.is_some_and(|instance| matches!(instance.health, Health::Down { .. }))
    };
    played.sidecar.wait("a relay that is down", down).await?;
    run.screen.aside(&format!("  {relay} is started again on the same port"));
    played.relays.insert(0, start(run, 0, port).await?);
    played.sidecar.wait("two relays that are up again", |status| status.active_instances == 2).await?;
    let back = quietly(run, played, UNARY).await?;
    run.screen.aside("  And it is used again:");
    back.record.iter().for_each(|record| run.screen.aside(&format!("  {}", show::request(record))));
    Ok(vec![refused, around, back])
}

const PROMPT: &str = "Tell me what a relay is good for.";

/// Sends a request whose answer does not show.
async fn quietly(run: Run<'_>, played: &mut Played, verb: &str) -> anyhow::Result<Told> {
    let answer = client::ask(played.port, &path(run.options, verb), PROMPT, |_| ()).await?;
    run.look_at(&answer);
    let record = record(&mut played.sidecar, &answer.id).await?;
    Ok(Told { answer, record })
}
