// Decides what one call of the demo model puts out, cut to the caller's token limit.
import { byteLength, type ChatRequest } from "./chat-request.ts";
import type { Behaviour } from "./model-id.ts";
import { nextTurn } from "./script.ts";

/** The output of one choice, in the pieces it streams in. All choices of a call are alike. */
export interface Answer {
  /** Content deltas; empty when the model calls a tool. */
  readonly text: readonly string[];
  readonly toolCall: { readonly name: string; readonly fragments: readonly string[] } | undefined;
  readonly finishReason: "stop" | "tool_calls" | "length";
  /** Tokens of this choice: four bytes of text, or of tool name and arguments, each. */
  readonly tokens: number;
}

const FAULTY_TEXT = Array.from({ length: 8 }, (_, position) => `piece ${position + 1} `);

/** The answer to a request, never longer than its `max_tokens`. */
export function planAnswer(request: ChatRequest, behaviour: Behaviour): Answer {
  const isScripted = behaviour.kind === "script" || behaviour.kind === "limited-once";
  const turn = isScripted ? nextTurn(request) : undefined;
  const maxBytes = (request.maxTokens ?? Number.MAX_SAFE_INTEGER) * 4;
  if (turn?.kind === "call") return callAnswer(turn.tool, splitEvery(turn.args, 12), maxBytes);
  const pieces = turn === undefined ? piecesOf(behaviour) : (turn.text.match(/\s*\S+/g) ?? []);
  return textAnswer(pieces, maxBytes);
}

function piecesOf(behaviour: Behaviour): string[] {
  switch (behaviour.kind) {
    case "paced":
      return Array.from({ length: 24 }, () => "tick");
    case "burst":
      return Array.from({ length: behaviour.frames }, () => "tick");
    case "text":
      return splitEvery("tok ".repeat(behaviour.tokens), 64);
    case "script":
    case "limited-once":
    case "fault":
      return FAULTY_TEXT;
  }
}

function textAnswer(pieces: readonly string[], maxBytes: number): Answer {
  const kept = keepBytes(pieces, maxBytes);
  return {
    text: kept.pieces,
    toolCall: undefined,
    finishReason: kept.isCut ? "length" : "stop",
    tokens: Math.ceil(kept.bytes / 4),
  };
}

function callAnswer(name: string, fragments: readonly string[], maxBytes: number): Answer {
  const nameBytes = Math.min(byteLength(name), maxBytes);
  const kept = keepBytes(fragments, maxBytes - nameBytes);
  return {
    text: [],
    toolCall: { name, fragments: kept.pieces },
    finishReason: kept.isCut ? "length" : "tool_calls",
    tokens: Math.ceil((nameBytes + kept.bytes) / 4),
  };
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
