// Counts what an expression walks through, and stops it when that is too much: the run-time half of the cost budget.

/** Steps one evaluation may take; an element of a list or a key of a map is one step. */
export const STEP_BUDGET = 10_000;

/** What one evaluation has walked through so far. */
export class Meter {
  /** The meter of the evaluation that runs: one at a time, as none of them waits. */
  static #running: Meter | undefined;
  #steps = 0;

  /** A list that a function makes, its walks counted on the meter of the evaluation that runs. */
  static listOf<T>(items: readonly T[]): readonly T[] {
    return Meter.#running === undefined ? items : MeteredList.of_(items, Meter.#running);
  }

  /** Counts so many steps on the meter of the evaluation that runs; throws past its budget. */
  static counted(steps: number): void {
    for (let at = 0; at < steps; at += 1) Meter.#running?.step();
  }

  /** Runs an evaluation with this meter for what its functions make. */
  during<T>(run: () => T): T {
    const before = Meter.#running;
    Meter.#running = this;
    try {
      return run();
    } finally {
      Meter.#running = before;
    }
  }

  /** Starts counting for the next evaluation. */
  restart(): void {
    this.#steps = 0;
  }

  /** Whether the evaluation took more than its budget, whatever came of the error that told it so. */
  get isSpent(): boolean {
    return this.#steps > STEP_BUDGET;
  }

  /** Counts one step; throws past the budget. */
  step(): void {
    this.#steps += 1;
    if (this.isSpent) throw new Error(`the expression takes more than ${STEP_BUDGET} steps`);
  }
}

/** A list whose walks are counted. The evaluator reads lists through `values()` and nothing else. */
export class MeteredList<T> extends Array<T> {
  #meter: Meter | undefined;

  /** A list of these items that counts on this meter. */
  static of_<T>(items: readonly T[], meter: Meter): MeteredList<T> {
    const list = new MeteredList<T>();
    for (const item of items) list.push(item);
    list.#meter = meter;
    return list;
  }

  override *values(): ArrayIterator<T> {
    for (let at = 0; at < this.length; at += 1) {
      this.#meter?.step();
      yield this[at] as T;
    }
  }
}

/** A map whose walks are counted. The evaluator walks maps through `keys()`. */
export class MeteredMap<V> extends Map<string, V> {
  readonly #meter: Meter;
  readonly #deferred = new Map<string, () => V>();

  constructor(meter: Meter) {
    super();
    this.#meter = meter;
  }

  /** Sets a member that is made when it is first read. */
  defer(key: string, make: () => V): void {
    this.#deferred.set(key, make);
  }

  override get(key: string): V | undefined {
    const make = this.#deferred.get(key);
    if (make !== undefined) {
      this.#deferred.delete(key);
      this.set(key, make());
    }
    return super.get(key);
  }

  override has(key: string): boolean {
    return super.has(key) || this.#deferred.has(key);
  }

  override *keys(): MapIterator<string> {
    for (const key of this.#deferred.keys()) this.get(key);
    for (const key of super.keys()) {
      this.#meter.step();
      yield key;
    }
  }
}
