// Decides how the parts of a turn read as parts of a Gemini content, and what of them Gemini has no word for.
import type { DocumentPart, ImagePart, Part, ReasoningPart, ToolCallPart, ToolResultPart } from "../conversation.ts";
import { at, present, type Findings } from "../findings.ts";
import { isJsonObject, type JsonObject } from "../../json/canonical.ts";
import { parseExactJson } from "../../json/exact.ts";
import { ownSignature, placeOf } from "./signatures.ts";

/** What parts are written for. */
export interface PartTarget {
  readonly findings: Findings;
  /** Names of the calls so far, by id. */
  readonly calls: ReadonlyMap<string, string>;
  /** What stands for the signature of a call that Gemini did not sign, where it wants one. */
  readonly foreignCall: string | undefined;
}

/** The parts of one turn; texts without any character, and thoughts that Gemini did not sign, are left out. */
export function writeParts(parts: readonly Part[], path: string, target: PartTarget): readonly JsonObject[] {
  const written: JsonObject[] = [];
  let isFirstCall = true;
  for (const [index, part] of parts.entries()) {
    const where = at(path, index);
    if (part.type === "reasoning") writeReasoning(part, written);
    else if (part.type === "tool_call") {
      const signature = signatureOf(part, isFirstCall ? target.foreignCall : undefined);
      isFirstCall = false;
      written.push({ ...writeCall(part, where, target.findings), ...present("thoughtSignature", signature) });
    } else written.push(...writePart(part, where, target));
  }
  return written;
}

/** Of parallel calls only the first is signed. */
function signatureOf({ signed }: ToolCallPart, foreign: string | undefined): string | undefined {
  return (signed === undefined ? undefined : ownSignature(signed)) ?? foreign;
}

/** Only what Gemini signed goes back; a signature that stood on a text stands there again. */
function writeReasoning({ text, signed }: ReasoningPart, written: JsonObject[]): void {
  const thoughtSignature = signed === undefined ? undefined : ownSignature(signed);
  if (signed === undefined || thoughtSignature === undefined) return;
  const place = placeOf(signed);
  const last = written.at(-1);
  if (place === undefined) written.push({ text, thought: true, thoughtSignature });
  else if (place === "text" && last?.["text"] !== undefined && last["thoughtSignature"] === undefined)
    written[written.length - 1] = { ...last, thoughtSignature };
  else written.push({ text: "", thoughtSignature });
}

function writePart(
  part: Exclude<Part, ReasoningPart | ToolCallPart>,
  path: string,
  target: PartTarget,
): readonly JsonObject[] {
  switch (part.type) {
    case "text":
    case "refusal":
      return part.text === "" ? [] : [{ text: part.text }];
    case "image":
    case "document":
      return writeMedia(part, path, target.findings);
    case "audio":
      return [{ inlineData: { mimeType: part.mediaType, data: part.data } }];
    case "tool_result":
      return [writeResult(part, path, target)];
  }
}

/** The endings of addresses that tell what they hold: Gemini wants to be told. */
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  gif: "image/gif",
  heic: "image/heic",
  pdf: "application/pdf",
  txt: "text/plain",
  html: "text/html",
  csv: "text/csv",
};

function writeMedia(part: ImagePart | DocumentPart, path: string, findings: Findings): readonly JsonObject[] {
  const { source } = part;
  const name = part.type === "document" ? present("displayName", part.name) : {};
  if (source.type === "base64") return [{ inlineData: { mimeType: source.mediaType, data: source.data, ...name } }];
  const ending = /\.([a-z]+)(?:[?#]|$)/i.exec(source.url)?.[1]?.toLowerCase() ?? "";
  const mimeType = Object.hasOwn(MEDIA_TYPES, ending) ? MEDIA_TYPES[ending] : undefined;
  if (mimeType === undefined)
    findings.foreign(at(path, "url"), "Gemini wants to know the media type, and this address does not tell it");
  return [{ fileData: { mimeType: mimeType ?? "", fileUri: source.url, ...name } }];
}

/** Arguments as the object that Gemini takes; `undefined` for what is none, or would not stay the same. */
export function argumentsOf(args: string): JsonObject | undefined {
  if (args.trim() === "") return {};
  const read = parseExactJson(args);
  return read.ok && isJsonObject(read.value) ? read.value : undefined;
}

function writeCall({ id, name, args }: ToolCallPart, path: string, findings: Findings): JsonObject {
  const object = argumentsOf(args);
  if (object === undefined) findings.foreign(at(path, "arguments"), "Gemini takes arguments that are a JSON object");
  refuseName(name, at(path, "name"), findings);
  return { functionCall: { id, name, args: object ?? {} } };
}

/** Names that Gemini takes. */
export function refuseName(name: string, path: string, findings: Findings): void {
  if (!/^[A-Za-z_][\w.:-]{0,127}$/.test(name))
    findings.foreign(path, "Gemini takes names that begin with a letter or _ and hold letters, digits and _.:- alone");
}

function writeResult(part: ToolResultPart, path: string, { calls, findings }: PartTarget): JsonObject {
  const name = calls.get(part.callId) ?? part.name;
  if (name === undefined) findings.invalid(at(path, "id"), "answers no call of an earlier turn");
  const text = part.content.flatMap((each) => (each.type === "text" ? [each.text] : [])).join("\n");
  const media = part.content.flatMap((each, index) =>
    each.type === "text" ? [] : writeMedia(each, `${path}.content.${index}`, findings),
  );
  const response = part.isError ? { error: text } : { output: text };
  const parts = media.length === 0 ? {} : { parts: media };
  return { functionResponse: { id: part.callId, name: name ?? "", response, ...parts } };
}
