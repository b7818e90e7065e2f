// @ts-check
/** A client of the endpoint, as Gemini CLI or Cline are. */

const MODEL = "gemini-3.6-flash";

/**
 * One request; `status` 0 if nobody answered.
 * @param {string} endpoint @param {string} token sent where clients send their key
 * @returns {Promise<{ status: number, headers: Headers, body: string }>}
 */
export async function ask(endpoint, token) {
  try {
    const answer = await fetch(`${endpoint}/v1beta/models/${MODEL}:generateContent`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-goog-api-key": token },
      body: JSON.stringify({ contents: [{ role: "user", parts: [{ text: "Say hello." }] }] }),
    });
    return { status: answer.status, headers: answer.headers, body: await answer.text() };
  } catch {
    return { status: 0, headers: new Headers(), body: "" };
  }
}
