/**
 * Does something at once, and then not more often than every so many milliseconds: however many calls come meanwhile, the last one is
 * not lost.
 */

export class Paced {
  private timer: NodeJS.Timeout | undefined;
  private again = false;

  constructor(
    private readonly act: () => void,
    private readonly pauseMs: number,
  ) {}

  /** Does it, now or at the end of the pause. */
  call(): void {
    if (this.timer !== undefined) {
      this.again = true;
      return;
    }
    this.act();
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.again) {
        this.again = false;
        this.call();
      }
    }, this.pauseMs);
  }

  /** What was not done yet is not done any more. */
  dispose(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.again = false;
  }
}
