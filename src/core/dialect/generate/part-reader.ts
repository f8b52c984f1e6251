// Decides what the parts of a Gemini content mean, and which of them have no counterpart.
import type { ImagePart, Part, TextPart, ToolResultPart, Turn } from "../conversation.ts";
import { textOf } from "../body-fields.ts";
import { at, itemsOf, objectOf, present, type Findings } from "../findings.ts";
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { readMedia, readResolution, readResultMedia } from "./media-reader.ts";
import { readSignature } from "./signatures.ts";
import { camelMembers } from "./spelling.ts";

/** A call that awaits its result. */
interface OpenCall {
  readonly id: string;
  readonly name: string;
}

/** Reads parts in order, and keeps account of which result answers which call: Gemini's may name neither. */
export class PartReader {
  readonly #findings: Findings;
  /** How detailed images are seen, as `generationConfig` says it for all of them. */
  readonly #detail: ImagePart["detail"];
  #calls: OpenCall[] = [];
  #role: Turn["role"] | undefined;

  constructor(findings: Findings, detail: ImagePart["detail"]) {
    this.#findings = findings;
    this.#detail = detail;
  }

  /** The parts of one content; the name of what it stands in makes the ids of calls that have none. */
  read(parts: Json | undefined, path: string, { role, index }: { role: Turn["role"]; index: number }): readonly Part[] {
    // A streamed turn comes back as several contents.
    if (role === "assistant" && this.#role !== role) this.#calls = [];
    this.#role = role;
    const found: Part[] = [];
    listOf(parts).forEach((part, place) => {
      const where = at(path, place);
      if (!isJsonObject(part)) this.#findings.invalid(where, "expected a part");
      else found.push(...this.#part(camelMembers(part, where, this.#findings), where, `call_${index}_${place}`));
    });
    return role === "assistant" ? joined(found).filter((part) => part.type !== "text" || part.text !== "") : found;
  }

  #part(part: JsonObject, path: string, callId: string): readonly Part[] {
    const { thought, thoughtSignature, partMetadata, mediaResolution, ...rest } = part;
    if (partMetadata !== undefined) this.#findings.hint("contents.parts.partMetadata");
    this.#findings.only(rest, path, DATA);
    const kinds = Object.keys(rest).filter((key) => DATA.has(key));
    const [kind = ""] = kinds;
    if (kinds.length > 1) this.#findings.invalid(path, `expected one of ${kinds.join(", ")}`);
    const isMedia = kind === "inlineData" || kind === "fileData";
    if (mediaResolution !== undefined && !isMedia) this.#findings.foreign(at(path, "mediaResolution"));
    const signature = textOf(thoughtSignature);
    const data = objectOf(rest[kind]);
    if (kind === "text") return this.#text(rest["text"], path, { isThought: thought === true, signature });
    if (kind === "functionCall") return this.#call(data, path, { callId, signature });
    if (kind === "functionResponse") return this.#result(data, path);
    const media = isMedia ? readMedia(rest, path, this.#detailOf(mediaResolution, path), this.#findings) : [];
    if (Object.keys(part).length === 0) this.#findings.invalid(path, "expected a part");
    return [...media, ...alone(signature)];
  }

  #text(
    value: Json | undefined,
    path: string,
    { isThought, signature }: { readonly isThought: boolean; readonly signature: string | undefined },
  ): readonly Part[] {
    const text = textOf(value);
    if (text === undefined) this.#findings.invalid(at(path, "text"), "expected a text");
    if (text === undefined) return [];
    if (isThought)
      return [
        {
          type: "reasoning",
          text,
          ...present("signed", signature === undefined ? undefined : readSignature(signature)),
        },
      ];
    if (signature === undefined) return [{ type: "text", text }];
    const signed = readSignature(signature, text === "" ? "alone" : "text");
    const state: readonly Part[] = signed === undefined ? [] : [{ type: "reasoning", text: "", signed }];
    return text === "" ? state : [{ type: "text", text }, ...state];
  }

  #call(
    call: JsonObject | undefined,
    path: string,
    { callId, signature }: { readonly callId: string; readonly signature: string | undefined },
  ): readonly Part[] {
    const where = at(path, "functionCall");
    const found = camelMembers(call ?? {}, where, this.#findings);
    const name = textOf(found["name"]);
    const args = found["args"] ?? {};
    if (name === undefined || !isJsonObject(args)) {
      this.#findings.invalid(where, "expected a call with name, and args that are an object");
      return [];
    }
    this.#findings.only(found, where, new Set(["id", "name", "args"]));
    const id = textOf(found["id"]) ?? callId;
    this.#calls.push({ id, name });
    const signed = signature === undefined ? undefined : readSignature(signature);
    return [{ type: "tool_call", id, name, args: JSON.stringify(args), ...present("signed", signed) }];
  }

  #result(value: JsonObject | undefined, path: string): readonly Part[] {
    const where = at(path, "functionResponse");
    const result = camelMembers(value ?? {}, where, this.#findings);
    const name = textOf(result["name"]);
    const response = result["response"] ?? {};
    if (!isJsonObject(response)) {
      this.#findings.invalid(at(where, "response"), "expected an object");
      return [];
    }
    this.#findings.only(result, where, new Set(["id", "name", "response", "parts"]));
    const call = this.#answered(textOf(result["id"]), name);
    if (call === undefined) {
      this.#findings.invalid(where, "answers no open function call of the model's turn before it");
      return [];
    }
    const { text, isError } = readResponse(response);
    const media = listOf(result["parts"]).flatMap((part, place) =>
      readResultMedia(part, `${where}.parts.${place}`, this.#findings),
    );
    const isEmpty = media.length > 0 && Object.keys(response).length === 0;
    const content: ToolResultPart["content"] = isEmpty ? media : [{ type: "text", text }, ...media];
    return [{ type: "tool_result", callId: call.id, name: call.name, content, isError }];
  }

  /** The open call that a result answers: by its id, else the first of its name. */
  #answered(id: string | undefined, name: string | undefined): OpenCall | undefined {
    const byId = id === undefined ? undefined : this.#calls.find((call) => call.id === id);
    const found = byId ?? this.#calls.find((call) => call.name === name);
    this.#calls = this.#calls.filter((call) => call !== found);
    return found;
  }

  #detailOf(resolution: Json | undefined, path: string): ImagePart["detail"] {
    if (resolution === undefined) return this.#detail;
    return readResolution(objectOf(resolution)?.["level"], at(path, "mediaResolution"), this.#findings);
  }
}

const DATA = new Set(["text", "functionCall", "functionResponse", "inlineData", "fileData"]);

/** Google takes one item where a list is due. */
export function listOf(value: Json | undefined): readonly Json[] {
  return isJsonObject(value) ? [value] : itemsOf(value);
}

function alone(signature: string | undefined): readonly Part[] {
  const signed = signature === undefined ? undefined : readSignature(signature, "alone");
  return signed === undefined ? [] : [{ type: "reasoning", text: "", signed }];
}

/** What a function answered: `output` or `error` where it is that alone, else the whole of it. */
function readResponse(response: JsonObject): { readonly text: string; readonly isError: boolean } {
  const keys = Object.keys(response);
  const [only = ""] = keys;
  const said = keys.length === 1 && (only === "output" || only === "error") ? response[only] : response;
  return { text: textOf(said) ?? JSON.stringify(said ?? null), isError: Object.hasOwn(response, "error") };
}

/** Text, and thoughts, that came in pieces: Gemini reads neighbours as one. */
function joined(parts: readonly Part[]): readonly Part[] {
  const found: Part[] = [];
  for (const part of parts) {
    const last = found.at(-1);
    const isGrown =
      (last?.type === "text" && part.type === "text") ||
      (last?.type === "reasoning" && part.type === "reasoning" && last.signed === undefined && !isPlaced(part));
    if (isGrown && (part.type === "text" || part.type === "reasoning"))
      found[found.length - 1] = { ...part, text: last.text + part.text } satisfies TextPart | Part;
    else found.push(part);
  }
  return found;
}

function isPlaced(part: Part): boolean {
  return part.type === "reasoning" && part.signed?.origin === "generate" && isJsonObject(part.signed.value);
}
