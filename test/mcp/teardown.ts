// Ends what a test opened, last first, even where opening stopped halfway.

/** What is still open. */
export class Teardown {
  readonly #ends: (() => Promise<unknown>)[] = [];

  /** Answers what was opened, and remembers how it ends. */
  async add<T>(opening: Promise<T>, end: (opened: T) => Promise<unknown>): Promise<T> {
    const opened = await opening;
    this.#ends.push(() => end(opened));
    return opened;
  }

  /** Ends everything; throws the first thing that went wrong, once all has been tried. */
  async run(): Promise<void> {
    const failures: unknown[] = [];
    for (const end of this.#ends.splice(0).reverse()) {
      await end().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}
