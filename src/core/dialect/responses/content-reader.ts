// Decides what the contents of Responses input mean: texts, images, files, refusals.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { textOf } from "../body-fields.ts";
import type { DocumentPart, ImagePart, MediaSource, Part, RefusalPart, TextPart } from "../conversation.ts";
import { at, itemsOf, present, wordOf, type Findings } from "../findings.ts";

/** A part that a content can be. */
export type ContentPart = TextPart | ImagePart | DocumentPart | RefusalPart;

/** The parts of a content: a text, or a list. */
export function readContent(content: Json | undefined, path: string, findings: Findings): readonly ContentPart[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (!Array.isArray(content)) {
    findings.invalid(path, "expected a text or a list of contents");
    return [];
  }
  return itemsOf(content).flatMap((each, index) => readOne(each, at(path, index), findings) ?? []);
}

function readOne(value: Json, path: string, findings: Findings): ContentPart | undefined {
  if (!isJsonObject(value)) {
    findings.invalid(path, "expected a content");
    return undefined;
  }
  if ((value["prompt_cache_breakpoint"] ?? null) !== null) findings.hint("prompt_cache_breakpoint");
  const type = wordOf(value, "type");
  switch (type) {
    case "input_text":
    case "output_text":
    case "text":
      return readText(value, path, findings);
    case "input_image":
      return readImage(value, path, findings);
    case "input_file":
      return readFile(value, path, findings);
    case "refusal":
      return { type: "refusal", text: wordOf(value, "refusal") };
    default:
      findings.foreign(path, `a content of the type ${type} has no counterpart at this model's provider`);
      return undefined;
  }
}

function readText(value: JsonObject, path: string, findings: Findings): TextPart | undefined {
  const text = textOf(value["text"]);
  if (text === undefined) findings.invalid(at(path, "text"), "expected a text");
  // What was cited changes nothing of what was said.
  if (itemsOf(value["annotations"]).length > 0) findings.hint("annotations");
  return text === undefined || text === "" ? undefined : { type: "text", text };
}

function readImage(value: JsonObject, path: string, findings: Findings): ImagePart | undefined {
  const url = textOf(value["image_url"]);
  if (url === undefined) {
    stored(value, path, { findings, instead: "image_url" });
    return undefined;
  }
  const detail = value["detail"] ?? null;
  if (detail === "low" || detail === "high" || detail === "auto")
    return { type: "image", source: sourceOf(url), detail };
  if (detail !== null) findings.foreign(at(path, "detail"));
  return { type: "image", source: sourceOf(url) };
}

function readFile(value: JsonObject, path: string, findings: Findings): DocumentPart | undefined {
  const data = textOf(value["file_data"]);
  const url = textOf(value["file_url"]);
  if ((value["detail"] ?? "auto") !== "auto") findings.foreign(at(path, "detail"));
  const source = data === undefined ? url : data;
  if (source === undefined) {
    stored(value, path, { findings, instead: "file_data" });
    return undefined;
  }
  return { type: "document", source: sourceOf(source), ...present("name", textOf(value["filename"])) };
}

function stored(
  value: JsonObject,
  path: string,
  { findings, instead }: { readonly findings: Findings; readonly instead: string },
): void {
  if ((value["file_id"] ?? null) === null) findings.invalid(path, `expected ${instead}`);
  else findings.foreign(path, `a stored file has no counterpart at this model's provider: send \`${instead}\``);
}

/** An address, or what a data URL holds. */
function sourceOf(url: string): MediaSource {
  const match = /^data:([^;,]+);base64,(.*)$/s.exec(url);
  return match?.[1] === undefined || match[2] === undefined
    ? { type: "url", url }
    : { type: "base64", mediaType: match[1], data: match[2] };
}

/** Parts that a tool may answer with. */
export function readResultContent(
  content: Json | undefined,
  path: string,
  findings: Findings,
): readonly (TextPart | ImagePart | DocumentPart)[] {
  return readContent(content, path, findings).flatMap((part: Part) => {
    if (part.type === "text" || part.type === "image" || part.type === "document") return [part];
    findings.invalid(path, "expected texts, images and files");
    return [];
  });
}
