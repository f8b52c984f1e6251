// Decides which recorded result answers a tool call of a replay: the same tool with the same arguments, each recording once.
import { canonicalJson } from "../../json/canonical.ts";
import type { CaseTool } from "../case.ts";

/** A recorded result, and whether it was recorded for other arguments. */
export interface TapeAnswer {
  readonly recorded: CaseTool;
  readonly isDrifted: boolean;
}

/** What is asked of a tape. */
export interface TapeAsk {
  readonly name: string;
  /** The governed tool; `null` for one that the gateway does not govern. */
  readonly tool: string | null;
  /** JSON text. */
  readonly args: string;
  /** Whether the call only reads: one that is asked again is answered again. */
  readonly isRead: boolean;
}

/**
 * The recorded results of one case, in their order. `strict` answers calls whose canonical arguments (RFC 8785) are those
 * of a recording; `fifo` takes the next recording of the tool. A recording answers one call; a call that only reads is
 * answered again when it is asked again.
 */
export class ToolTape {
  readonly #tools: readonly CaseTool[];
  readonly #match: "strict" | "fifo";
  readonly #used = new Set<CaseTool>();

  constructor(tools: readonly CaseTool[], match: "strict" | "fifo") {
    this.#tools = tools;
    this.#match = match;
  }

  /** The recording that answers a call, or `undefined`: then nothing recorded does. */
  answer(ask: TapeAsk): TapeAnswer | undefined {
    const own = this.#tools.filter(({ name, tool }) =>
      ask.tool === null ? name === ask.name : tool === ask.tool || name === ask.name,
    );
    const args = canonicalArgs(ask.args);
    const same = own.filter((recorded) => canonicalArgs(recorded.args) === args);
    const found = same.find((recorded) => !this.#used.has(recorded)) ?? (ask.isRead ? same.at(-1) : undefined);
    if (found !== undefined) return this.#take(found, false);
    if (this.#match === "strict") return undefined;
    const next = own.find((recorded) => !this.#used.has(recorded));
    return next === undefined ? undefined : this.#take(next, true);
  }

  #take(recorded: CaseTool, isDrifted: boolean): TapeAnswer {
    this.#used.add(recorded);
    return { recorded, isDrifted };
  }
}

/** Arguments as one text, whatever the order of their members; text that is no JSON is itself. */
export function canonicalArgs(args: string): string {
  try {
    return canonicalJson(JSON.parse(args.trim() === "" ? "{}" : args));
  } catch {
    return args;
  }
}
