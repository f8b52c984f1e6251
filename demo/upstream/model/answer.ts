// Decides what one call of the demo model puts out, cut to the caller's token limit.
import { byteLength, type ModelRequest, type OfferedTool } from "./model-request.ts";
import type { Behaviour, Manner } from "./model-id.ts";
import { instanceOf } from "./schema-instance.ts";
import { nextTurn } from "./script.ts";

/** A stretch of the output, in the pieces it streams in: of text, or of a call's arguments as JSON. */
export interface Part {
  readonly kind: "thought" | "text" | "refusal" | "call";
  /** The tool of a call; empty otherwise. */
  readonly name: string;
  readonly pieces: readonly string[];
}

/** Why the output ended. `blocked` is a prompt that was not answered at all. */
export type Finish = "stop" | "calls" | "length" | "refused" | "filtered" | "blocked";

/** Tokens of a call: four bytes each. The prompt includes what came from a cache and went into one. */
export interface Figures {
  readonly prompt: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  /** Of all choices, thoughts included. */
  readonly output: number;
  readonly thoughts: number;
}

/** The output of one choice. All choices of a call are alike. */
export interface Answer {
  /** Thoughts first where there are any; those that are only counted are not here. */
  readonly parts: readonly Part[];
  readonly finish: Finish;
  readonly figures: Figures;
}

interface Plan {
  readonly parts: readonly Part[];
  readonly finish: Finish;
}

const PIECES = Array.from({ length: 8 }, (_, position) => `piece ${position + 1} `);
const THOUGHT: Part = { kind: "thought", name: "", pieces: ["I look at what was asked, ", "then ", "I answer it."] };

/** The answer to a request, never longer than its limit. */
export function planAnswer(request: ModelRequest, behaviour: Behaviour): Answer {
  const planned = planOf(request, behaviour);
  const thinks = request.thinks || isManner(behaviour, "reasoning");
  const all = thinks && planned.finish !== "blocked" ? [THOUGHT, ...planned.parts] : planned.parts;
  const kept = keepWithin(all, (request.maxTokens ?? Number.MAX_SAFE_INTEGER) * 4);
  const shows = request.showsThoughts || isManner(behaviour, "reasoning");
  const { promptTokens, choices } = request;
  const isCached = isManner(behaviour, "cached");
  const thoughts = kept.parts.filter(({ kind }) => kind === "thought");
  return {
    parts: shows ? kept.parts : kept.parts.filter(({ kind }) => kind !== "thought"),
    finish: kept.isCut ? "length" : planned.finish,
    figures: {
      prompt: promptTokens,
      cacheRead: isCached ? Math.floor(promptTokens / 2) : 0,
      cacheWrite: isCached ? Math.floor(promptTokens / 4) : 0,
      output: tokensOf(kept.parts) * choices,
      thoughts: tokensOf(thoughts) * choices,
    },
  };
}

function isManner(behaviour: Behaviour, manner: Manner): boolean {
  return behaviour.kind === "manner" && behaviour.manner === manner;
}

function planOf(request: ModelRequest, behaviour: Behaviour): Plan {
  switch (behaviour.kind) {
    case "paced":
      return said(Array.from({ length: 24 }, () => "tick"));
    case "burst":
      return said(Array.from({ length: behaviour.frames }, () => "tick"));
    case "text":
      return said(splitEvery("tok ".repeat(behaviour.tokens), 64));
    case "fault":
      return said(PIECES);
    case "manner":
      return mannerly(request, behaviour.manner);
    case "script":
    case "late":
    case "limited-once":
      return scripted(request);
  }
}

function mannerly(request: ModelRequest, manner: Manner): Plan {
  switch (manner) {
    case "parallel-tools":
      return calledInManner(request, (first, second) => [
        text(["I will ", "use two tools."]),
        callOf(first),
        callOf(second ?? first),
      ]);
    case "empty-args":
      return calledInManner(request, ({ name }) => [{ kind: "call", name, pieces: ["{}"] }]);
    case "refusal":
      return { parts: [{ kind: "refusal", name: "", pieces: ["I cannot ", "help with that."] }], finish: "refused" };
    case "filtered":
      return { parts: [text(PIECES.slice(0, 3))], finish: "filtered" };
    case "blocked":
      return { parts: [], finish: "blocked" };
    case "length":
      return { parts: [text(PIECES)], finish: "length" };
    case "reasoning":
    case "cached":
      return scripted(request);
  }
}

/** Calls tools once, and has a last word when their results are there, or when none is offered. */
function calledInManner(request: ModelRequest, plan: (first: OfferedTool, second?: OfferedTool) => Part[]): Plan {
  const lastUser = request.messages.findLastIndex(({ role }) => role === "user");
  const results = request.messages.slice(lastUser + 1).filter(({ answersCall }) => answersCall !== undefined);
  const [first, second] = request.tools;
  if (results.length > 0) return said([`I have ${results.length} results.`]);
  return first === undefined ? said(["I have no tools."]) : { parts: plan(first, second), finish: "calls" };
}

function scripted(request: ModelRequest): Plan {
  const turn = nextTurn(request);
  if (turn.kind === "call") {
    const isAllowed = request.forced.length === 0 || request.forced.includes(turn.tool);
    const call: Part = { kind: "call", name: turn.tool, pieces: splitEvery(turn.args, 12) };
    if (isAllowed) return { parts: [call], finish: "calls" };
  }
  const forced = request.tools.find(({ name }) => name === request.forced[0]);
  if (forced !== undefined) return { parts: [callOf(forced)], finish: "calls" };
  if (request.schema !== undefined) return said(splitEvery(JSON.stringify(instanceOf(request.schema)), 12));
  return said(turn.kind === "say" ? (turn.text.match(/\s*\S+/g) ?? []) : []);
}

function callOf({ name, schema }: OfferedTool): Part {
  return { kind: "call", name, pieces: splitEvery(JSON.stringify(instanceOf({ type: "object", ...schema })), 12) };
}

function said(pieces: readonly string[]): Plan {
  return { parts: [text(pieces)], finish: "stop" };
}

function text(pieces: readonly string[]): Part {
  return { kind: "text", name: "", pieces };
}

function tokensOf(parts: readonly Part[]): number {
  const bytes = parts.reduce((sum, { name, pieces }) => sum + byteLength(name) + byteLength(pieces.join("")), 0);
  return Math.ceil(bytes / 4);
}

function keepWithin(parts: readonly Part[], maxBytes: number): { parts: Part[]; isCut: boolean } {
  const kept: Part[] = [];
  let left = maxBytes;
  for (const part of parts) {
    const nameBytes = byteLength(part.name);
    // A call whose name does not fit is not begun.
    if (nameBytes > left) return { parts: kept, isCut: true };
    const within = keepBytes(part.pieces, left - nameBytes);
    if (within.pieces.length > 0 || !within.isCut) kept.push({ ...part, pieces: within.pieces });
    if (within.isCut) return { parts: kept, isCut: true };
    left -= nameBytes + within.bytes;
  }
  return { parts: kept, isCut: false };
}

function keepBytes(pieces: readonly string[], maxBytes: number): { pieces: string[]; bytes: number; isCut: boolean } {
  const kept: string[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    const size = byteLength(piece);
    if (bytes + size > maxBytes) {
      const rest = cutAtByte(piece, maxBytes - bytes);
      if (rest !== "") kept.push(rest);
      return { pieces: kept, bytes: bytes + byteLength(rest), isCut: true };
    }
    kept.push(piece);
    bytes += size;
  }
  return { pieces: kept, bytes, isCut: false };
}

/** The longest start of `text` within `maxBytes` that splits no character. */
function cutAtByte(text: string, maxBytes: number): string {
  let kept = "";
  let bytes = 0;
  for (const character of text) {
    bytes += byteLength(character);
    if (bytes > maxBytes) break;
    kept += character;
  }
  return kept;
}

function splitEvery(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, part) => text.slice(part * size, (part + 1) * size));
}
