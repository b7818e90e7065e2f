// Written from protocol/src: UPDATE=1 cargo test -p aggregator-protocol
// Times are milliseconds since the Unix epoch, durations milliseconds, unless a name says otherwise.

export const PROTOCOL = 1;
export const DID_CHANGE_STATE = "aggregator/didChangeState";
export const DID_CHANGE_STATUS = "aggregator/didChangeStatus";
export const DID_CHANGE_LOG_LEVEL = "aggregator/didChangeLogLevel";
export const RECORDS = "aggregator/records";
export const RETEST = "aggregator/retest";
export const DIAGNOSE = "aggregator/diagnose";
export const TRY_REQUEST = "aggregator/tryRequest";

/**
 * `initializationOptions` of the `initialize` request.
 */
export type InitializeOptions = { 
/**
 * [`PROTOCOL`] of the client.
 */
protocol: number, 
/**
 * Folder for the ledger; absent: nothing is kept on disk.
 */
storageDir?: string | null, 
/**
 * Random id of this pool of keys, made once by the client; tells whose listener holds the port.
 */
pool?: string, 
/**
 * Random id of the machine, kept in the storage folder; tells a forwarded port from a local one.
 */
host?: string, 
/**
 * The first state; a [`DesiredState`], decoded by itself so that a bad one is a problem and not a failed start.
 */
state: DesiredState, };

/**
 * What the client wants. Everything but `revision`, `keys[].id`, `keys[].secret`, `instances[].id` and `instances[].url`
 * has a default. Numbers are wide on purpose: a value out of range is a named problem and not a decoding error.
 */
export type DesiredState = { 
/**
 * Starts at 1 in each window; only a newer one is applied.
 */
revision: number, 
/**
 * 1–65535; 0 takes any free port and the status says which.
 */
port?: number, 
/**
 * Which ways out a request may take.
 */
mode?: Mode, 
/**
 * In `hybrid`: whether Direct is tried after the relays.
 */
fallbackToLocal?: boolean, 
/**
 * Time to the first byte, all attempts together; 1,000–3,600,000 ms.
 */
requestTimeoutMs?: number, 
/**
 * What callers must present; absent or empty: anybody on this machine may call.
 */
accessToken?: string | null, 
/**
 * Browser origins that may call, as browsers send them (`https://example.org`).
 */
allowedOrigins?: Array<string>, 
/**
 * Further names in `Host` that are taken for this machine, for instance `host.docker.internal`.
 */
allowedHosts?: Array<string>, 
/**
 * Origin of the Gemini API, with an optional path prefix; https, or http on loopback.
 */
upstream?: string, 
/**
 * How connections leave this machine.
 */
proxy?: Proxy, 
/**
 * Whom connections trust.
 */
tls?: Tls, 
/**
 * Attempts a request, 1–20.
 */
maxAttempts?: number, 
/**
 * How long a request may wait for the pool to recover, 0 (off) – 600,000 ms.
 */
maxQueueWaitMs?: number, 
/**
 * Whether an answer without content is tried once more elsewhere.
 */
retryEmptyAnswers?: boolean, 
/**
 * Heartbeat on silent native streams: 0 (off) or 5–300 s; never earlier than after 30 s of silence.
 */
heartbeatSeconds?: number, 
/**
 * Largest request body that is collected, 1 MiB – 2 GiB.
 */
maxBodyBytes?: number, 
/**
 * Foreign model name → Gemini model, for the dialects that are translated.
 */
modelMap?: { [key in string]: string }, 
/**
 * The pool.
 */
keys?: Array<Key>, 
/**
 * The relays.
 */
instances?: Array<Instance>, };

/**
 * Which ways out a request may take.
 */
export type Mode = "local" | "serverless" | "hybrid";

/**
 * How connections leave this machine.
 */
export type Proxy = { "kind": "auto" } | { "kind": "direct" } | { "kind": "url", 
/**
 * May hold a password, so it is a secret.
 */
url: string, 
/**
 * Hosts that are reached straight, comma-separated.
 */
noProxy?: string | null, };

/**
 * Whom connections trust, beside the operating system's roots.
 */
export type Tls = { 
/**
 * A PEM file with further roots.
 */
caFile?: string | null, 
/**
 * `false` switches the check of certificates off; never applies to relays.
 */
strict?: boolean, };

/**
 * One API key of the pool.
 */
export type Key = { 
/**
 * Never reused for another key.
 */
id: string, 
/**
 * A name for people.
 */
label?: string | null, 
/**
 * The key itself.
 */
secret: string, 
/**
 * The Google Cloud project, where the user knows it; keys of one project share their quota.
 */
project?: string | null, 
/**
 * A disabled key takes no part.
 */
enabled?: boolean, 
/**
 * The way out this key must prefer.
 */
binding?: Binding | null, };

/**
 * The way out a key must prefer.
 */
export type Binding = { "kind": "instance", 
/**
 * Its instance id.
 */
id: string, } | { "kind": "local" };

/**
 * One deployment of a relay.
 */
export type Instance = { 
/**
 * Chosen by the user; `local` is not allowed.
 */
id: string, 
/**
 * A name for people.
 */
name?: string | null, 
/**
 * Where it is: https (http on loopback), with an optional path prefix.
 */
url: string, 
/**
 * Sent as `x-relay-token`.
 */
token?: string | null, 
/**
 * Further headers it wants.
 */
headers?: { [key in string]: string }, 
/**
 * For people.
 */
region?: string | null, 
/**
 * A disabled instance takes no part.
 */
enabled?: boolean, };

/**
 * What the server reports; sent whole, at most every 250 ms, and only when it differs from the last.
 */
export type Status = { 
/**
 * Revision of the state in force; 0 before the first.
 */
appliedRevision: number, 
/**
 * Revision of the last state that could not be decoded, `null` if there was none or it was unreadable.
 */
rejectedRevision: number | null, 
/**
 * Version of the sidecar.
 */
version: string, 
/**
 * The mode in force.
 */
mode: Mode, 
/**
 * Instances that are up.
 */
activeInstances: number, 
/**
 * What this process is to the port.
 */
role: Role, 
/**
 * Every instance of the state in force.
 */
instances: Array<InstanceStatus>, 
/**
 * Every key of the state in force.
 */
keys: Array<KeyStatus>, 
/**
 * What is wrong now.
 */
problems: Array<Problem>, };

/**
 * What this process is to the port.
 */
export type Role = { "kind": "starting" } | { "kind": "leader", 
/**
 * The port that is bound.
 */
port: number, } | { "kind": "follower", 
/**
 * The port that window holds.
 */
port: number, 
/**
 * That window's sidecar.
 */
leader: Leader, } | { "kind": "blocked", 
/**
 * The port that is taken.
 */
port: number, 
/**
 * `portTaken`, `portOtherPool` or `portForwarded`.
 */
by: ProblemCode, };

/**
 * The process a follower follows.
 */
export type Leader = { 
/**
 * Its process id.
 */
pid: number, 
/**
 * Its version.
 */
version: string, };

/**
 * One instance, as it is.
 */
export type InstanceStatus = { 
/**
 * Its id in the state.
 */
id: string, 
/**
 * How it is.
 */
health: Health, };

/**
 * How an instance is.
 */
export type Health = { "kind": "unknown" } | { "kind": "up", 
/**
 * How long it took to answer.
 */
latencyMs: number, 
/**
 * Its version, where it tells.
 */
version: string | null, 
/**
 * The original extension's relay, which has no token.
 */
legacy: boolean, } | { "kind": "down", 
/**
 * Since when.
 */
sinceMs: number, 
/**
 * When it is tried again.
 */
nextTryMs: number, 
/**
 * Why.
 */
reason: DownReason, };

/**
 * Why an instance is down. The first group is *unreachable* (a good `/health` heals it), the second *refusing*.
 */
export type DownReason = "unreachable" | "hung" | "serverError" | "location" | "notGemini" | "unauthorized" | "rateLimited";

/**
 * One key, as it is. Counters are of the quota day, which begins at midnight Pacific.
 */
export type KeyStatus = { 
/**
 * Its id in the state.
 */
id: string, 
/**
 * Requests that use it now.
 */
inFlight: number, 
/**
 * Requests answered with 2xx today.
 */
usedToday: number, 
/**
 * Sum of each request's last `totalTokenCount` today.
 */
tokensToday: number, 
/**
 * The project it is known to belong to: learnt from Google, else as the user says.
 */
project: string | null, 
/**
 * Models used today, busiest first, at most 20.
 */
models: Array<ModelUse>, 
/**
 * Whether it can be used.
 */
state: KeyState, };

/**
 * How one key used one model.
 */
export type ModelUse = { 
/**
 * Without `models/`; `-` for requests that name none.
 */
model: string, 
/**
 * Requests sent in the last 60 s.
 */
requestsMinute: number, 
/**
 * Tokens counted in the last 60 s.
 */
tokensMinute: number, 
/**
 * Requests answered with 2xx today.
 */
requestsToday: number, 
/**
 * Tokens today.
 */
tokensToday: number, 
/**
 * Attempts today that were not answered with 2xx.
 */
errorsToday: number, };

/**
 * Whether a key can be used.
 */
export type KeyState = { "kind": "ready" } | { "kind": "coolingDown", 
/**
 * Each with its end.
 */
models: Array<CoolingModel>, } | { "kind": "quarantined", 
/**
 * Why.
 */
reason: Reason, 
/**
 * Since when.
 */
sinceMs: number, 
/**
 * When the next real request may try it; absent: only a re-test or an edit brings it back.
 */
untilMs: number | null, } | { "kind": "disabled" };

/**
 * A model that rests on a key.
 */
export type CoolingModel = { 
/**
 * Without `models/`; `*` means all of them.
 */
model: string, 
/**
 * Until when.
 */
untilMs: number, 
/**
 * Why.
 */
reason: Reason, };

/**
 * Why a bucket cools or a key is out.
 */
export type Reason = "perMinute" | "perDay" | "notEntitled" | "bare429" | "rejected" | "leaked" | "suspended" | "serviceDisabled" | "billing" | "spendCap" | "denied" | "restricted";

/**
 * Something the user should know. The client owns the words.
 */
export type Problem = { 
/**
 * What it is.
 */
code: ProblemCode, 
/**
 * What it is about: a key id, an instance id, a port; never a secret.
 */
subject: string | null, 
/**
 * How bad it is.
 */
severity: Severity, };

/**
 * How bad a problem is.
 */
export type Severity = "error" | "warning";

/**
 * What a problem is.
 */
export type ProblemCode = "portTaken" | "portOtherPool" | "portForwarded" | "ipv6Taken" | "portRange" | "timeoutRange" | "attemptsRange" | "queueWaitRange" | "heartbeatRange" | "bodySizeRange" | "unknownInstance" | "duplicateId" | "duplicateSecret" | "emptySecret" | "invalidSecret" | "instanceUrl" | "instanceRetired" | "instanceToken" | "upstreamUrl" | "proxyUrl" | "caFile" | "noKeys" | "noInstances" | "allKeysInvalid" | "ledgerBusy" | "undecodable";

/**
 * Params of [`DID_CHANGE_LOG_LEVEL`].
 */
export type LogLevelParams = { 
/**
 * The least level that is logged from now on.
 */
level: LogLevel, };

/**
 * How much is logged. Nothing is left out above `info`: a log that keeps quiet helps nobody.
 */
export type LogLevel = "info" | "debug" | "trace";

/**
 * Params of [`RECORDS`].
 */
export type RecordsParams = { 
/**
 * At most this many (all: 200).
 */
limit?: number | null, 
/**
 * Only this request.
 */
requestId?: string | null, };

/**
 * What happened to one request, and why. Holds key ids, never keys.
 */
export type Record = { 
/**
 * Also in the answer's `X-Request-ID`.
 */
id: string, 
/**
 * When it came.
 */
startedMs: number, 
/**
 * The dialect: `gemini`, `openai` or `anthropic`.
 */
front: string, 
/**
 * Without `models/`; `-` if it names none.
 */
model: string, 
/**
 * The verb behind the colon, or the OpenAI route (`chat/completions`), or the method.
 */
operation: string, 
/**
 * The status the caller got; `null` if it left before there was one.
 */
status: number | null, 
/**
 * How long it was held until the pool recovered (`maxQueueWaitMs`); `null`: it was not.
 */
waitedMs: number | null, 
/**
 * To the first byte sent to the caller.
 */
firstByteMs: number | null, 
/**
 * To the end.
 */
totalMs: number, 
/**
 * The last `totalTokenCount`.
 */
tokens: number | null, 
/**
 * How it ended.
 */
end: End, 
/**
 * Every try, in order.
 */
attempts: Array<AttemptRecord>, 
/**
 * Keys that were left out at the first choice, at most 50.
 */
skipped: Array<SkippedRecord>, };

/**
 * How a request ended.
 */
export type End = "complete" | "broken" | "left";

/**
 * One try on one route.
 */
export type AttemptRecord = { 
/**
 * Key id.
 */
key: string, 
/**
 * `local` or the instance id.
 */
egress: string, 
/**
 * An HTTP status, or a word: `unreachable`, `notTaken`, `hungUp`, `timeout`, `hung`, `broken`,
 * `empty`, `settings`, `caller`, `left`.
 */
outcome: string, 
/**
 * What was decided: `deliver`, `return`, `retry`, or whom it blames.
 */
verdict: string, 
/**
 * By which rule.
 */
rule: string, 
/**
 * Until when the blamed one rests.
 */
untilMs: number | null, 
/**
 * How long it took.
 */
ms: number, };

/**
 * One that was left out.
 */
export type SkippedRecord = { 
/**
 * Key id.
 */
key: string, 
/**
 * Why: a [`Reason`], `disabled`, `tried`, `noEgress`, `modelResting`.
 */
rule: string, 
/**
 * Until when, where known.
 */
untilMs: number | null, };

/**
 * Params of [`RETEST`].
 */
export type RetestParams = { 
/**
 * Which key.
 */
keyId: string, };

/**
 * Answer to [`RETEST`].
 */
export type RetestAnswer = { 
/**
 * Which key.
 */
keyId: string, 
/**
 * Its state after the test.
 */
state: KeyState, 
/**
 * Facts of the test.
 */
detail: RetestDetail, };

/**
 * Facts of a re-test.
 */
export type RetestDetail = { 
/**
 * Whether the key was accepted.
 */
ok: boolean, 
/**
 * The way it went: `local` or an instance id.
 */
egress: string, 
/**
 * The answer's status; absent if there was none.
 */
status: number | null, 
/**
 * By which rule it was judged, or `settings`, `noRoute`, `unreachable`, `timeout` or `stopped`.
 */
rule: string, 
/**
 * Google's sentence, redacted.
 */
message: string | null, 
/**
 * Whether the test counted against the quota: a key that is out as `denied` is tested by a one-token generateContent.
 */
counted: boolean, 
/**
 * How long it took.
 */
ms: number, };

/**
 * Params of [`crate::DIAGNOSE`]. Without any: every way out that the mode permits, each with one key of the pool.
 */
export type DiagnoseParams = { 
/**
 * `local`, an instance id (also of one that is switched off), or a key id: only what concerns it.
 */
subject?: string | null, 
/**
 * Something that is not in the state yet; tested and forgotten. `subject` is not looked at then.
 */
candidate?: Candidate | null, };

/**
 * Something to test before it is kept.
 */
export type Candidate = { "instance": Instance } | { "key": CandidateKey };

/**
 * A key to test before it is kept.
 */
export type CandidateKey = { 
/**
 * The key itself.
 */
secret: string, 
/**
 * The way out it shall prefer.
 */
binding?: Binding | null, };

/**
 * Answer to [`crate::DIAGNOSE`].
 */
export type Diagnosis = { 
/**
 * One way out after the other, each in the order of [`CheckCode`]. After one that failed, those that need it are missing.
 */
checks: Array<Check>, };

/**
 * One thing that was looked at.
 */
export type Check = { 
/**
 * The way out: `local` or an instance id.
 */
subject: string, 
/**
 * What was looked at.
 */
code: CheckCode, 
/**
 * Whether it is as it should be.
 */
ok: boolean, 
/**
 * How long it took; `null`: nothing was sent.
 */
latencyMs: number | null, 
/**
 * What was found.
 */
detail: CheckDetail, };

/**
 * What was looked at, in the order in which a connection needs it.
 */
export type CheckCode = "proxy" | "dns" | "tcp" | "tls" | "relayHealth" | "relayVersion" | "relayToken" | "reach" | "key";

/**
 * Facts of a check; those that do not apply are missing.
 */
export type CheckDetail = { 
/**
 * What is wrong, in one word.
 */
fault?: Fault, 
/**
 * Host and port that were asked for; the name alone with [`CheckCode::Dns`].
 */
host?: string, 
/**
 * Addresses of the name or those that were tried, at most eight, or the one that was connected.
 */
addresses?: Array<string>, 
/**
 * The network proxy as `scheme://host:port`; never its credentials.
 */
proxy?: string, 
/**
 * DNS names in the certificate that was shown, trusted or not; at most eight.
 */
certificate?: Array<string>, 
/**
 * HTTP status.
 */
status?: number, 
/**
 * What the relay says of itself.
 */
relay?: RelayDetail, 
/**
 * Id of the key that was used; missing for a candidate.
 */
key?: string, 
/**
 * By which rule the answer was judged, as in decision records; with [`Fault::Settings`] the code of the problem.
 */
rule?: string, 
/**
 * Google's sentence, redacted.
 */
message?: string, };

/**
 * What a relay says of itself.
 */
export type RelayDetail = { 
/**
 * Its version.
 */
version?: string, 
/**
 * Where it runs: `node`, `workerd`, `deno`, `bun`.
 */
runtime?: string, 
/**
 * Its region.
 */
region?: string, 
/**
 * The original extension's relay, which knows no token.
 */
legacy: boolean, };

/**
 * What is wrong.
 */
export type Fault = "timedOut" | "unknownHost" | "refused" | "unreachable" | "broken" | "certificateName" | "certificateTime" | "certificateIssuer" | "tls" | "proxyCredentials" | "proxyRefused" | "settings" | "noHealth" | "notExpected" | "tokenUnset" | "tokenMissing" | "tokenRejected" | "otherProtocol" | "serverError" | "rateLimited" | "location" | "keyRefused" | "noKey";

/**
 * Params of [`crate::TRY_REQUEST`].
 */
export type TryRequestParams = { 
/**
 * Without `models/`; letters, digits, `.`, `-` and `_`. Without one a small model that every tier has.
 */
model?: string | null, };

/**
 * Answer to [`crate::TRY_REQUEST`]: what a client would have got.
 */
export type TryRequestAnswer = { 
/**
 * The id of its record.
 */
requestId: string, 
/**
 * The model that was asked.
 */
model: string, 
/**
 * HTTP status.
 */
status: number, 
/**
 * How long it took.
 */
ms: number, 
/**
 * What the model said, redacted, at most 200 characters; `null` if it said nothing.
 */
text: string | null, 
/**
 * Google's sentence, or ours, if it failed; redacted, at most 300 characters.
 */
error: string | null, };
