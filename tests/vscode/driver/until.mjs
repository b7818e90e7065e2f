// @ts-check
/** How everything waits that is not on a screen. */

/** A slow machine under load is still quicker than this. */
export const PATIENCE_MS = 30_000;

/**
 * Looks again and again until the value is as wanted, and returns it; fails when nobody would wait any longer.
 * @template T @param {() => T | Promise<T>} look @param {(value: T) => boolean} wanted @returns {Promise<T>}
 */
export async function until(look, wanted) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await look();
    if (wanted(value)) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`this did not come: ${wanted}; the last was ${String(value).slice(-1_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
