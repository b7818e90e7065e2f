/**
 * Work that is done one piece after the other, in the order in which it was asked for. What fails does not stop what follows.
 */
export class Turns {
  private last: Promise<void> = Promise.resolve();

  /** Does it when everything before it is done; answers as it does. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work);
    // What came out is not kept: it may hold a deleted key.
    this.last = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }
}
