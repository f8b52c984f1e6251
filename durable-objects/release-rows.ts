// Touches the rows of a tenant's releases: what was published for good, and every change of a pointer.
import type { Seal } from "../src/core/release/sealed.ts";
import type { ReleaseChange } from "../src/core/state/tenant-releases.ts";
import type { SqlStore } from "./sql-store.ts";

const SEAL_ROWS = "seal/";
const CHANGE_ROWS = "release/";
/** Changes that are answered at once, the newest first. */
const MAX_SHOWN = 100;

/** Seals and history of one tenant. Nothing of either is ever deleted. */
export class ReleaseRows {
  readonly #store: SqlStore;

  constructor(store: SqlStore) {
    this.#store = store;
  }

  /** The digest that was published under a key, or `undefined`. */
  sealed(key: string): string | undefined {
    return (this.#store.readRow(`${SEAL_ROWS}${key}`) as { readonly digest: string } | undefined)?.digest;
  }

  /** Keeps what was published. */
  seal(seals: readonly Seal[]): void {
    for (const { key, digest } of seals) this.#store.writeRow(`${SEAL_ROWS}${key}`, { digest });
  }

  /** Keeps a change. An agent that was removed and published again counts from 1 again, so that its time is in the key. */
  write(change: ReleaseChange): void {
    const order = `${String(change.at).padStart(14, "0")}/${String(change.generation).padStart(8, "0")}`;
    this.#store.writeRow(`${CHANGE_ROWS}${change.agent}/${order}`, change);
  }

  /** The changes of an agent's pointer, newest first. */
  history(agent: string): readonly ReleaseChange[] {
    const all = this.#store.allRows(`${CHANGE_ROWS}${agent}/`) as readonly ReleaseChange[];
    return all.slice(-MAX_SHOWN).toReversed();
  }
}
