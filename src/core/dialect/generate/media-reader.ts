// Decides what images, sound and files in a Gemini content are, and which of them others can read.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { textOf } from "../body-fields.ts";
import type { DocumentPart, ImagePart, MediaSource, Part } from "../conversation.ts";
import { at, objectOf, present, type Findings } from "../findings.ts";
import { camelMembers } from "./spelling.ts";

/** The media of a part with `inlineData` or `fileData`; what has no counterpart is found, with its path. */
export function readMedia(
  part: JsonObject,
  path: string,
  detail: ImagePart["detail"],
  findings: Findings,
): readonly Part[] {
  const key = part["inlineData"] === undefined ? "fileData" : "inlineData";
  const where = at(path, key);
  const media = camelMembers(objectOf(part[key]) ?? {}, where, findings);
  findings.only(media, where, new Set(["mimeType", "data", "fileUri", "displayName"]));
  const mediaType = textOf(media["mimeType"]) ?? "";
  const source = key === "inlineData" ? inline(media, mediaType, where, findings) : linked(media, where, findings);
  if (source === undefined) return [];
  const name = textOf(media["displayName"]);
  if (mediaType.startsWith("image/")) {
    if (name !== undefined) findings.hint("contents.parts.displayName");
    return [{ type: "image", source, ...present("detail", detail) }];
  }
  if (mediaType.startsWith("audio/") && source.type === "base64")
    return [{ type: "audio", mediaType, data: source.data }];
  if (!/^(?:audio|video)\//.test(mediaType)) return [{ type: "document", source, ...present("name", name) }];
  findings.foreign(where, `media of the type ${mediaType} has no counterpart at this model's provider`);
  return [];
}

/** The media of a part of a function's answer. */
export function readResultMedia(part: Json, path: string, findings: Findings): readonly (ImagePart | DocumentPart)[] {
  if (!isJsonObject(part)) {
    findings.invalid(path, "expected a part");
    return [];
  }
  const found = camelMembers(part, path, findings);
  findings.only(found, path, new Set(["inlineData", "fileData"]));
  return readMedia(found, path, undefined, findings).flatMap((media) => {
    if (media.type === "image" || media.type === "document") return [media];
    findings.foreign(path, "a function's answer holds no sound at this model's provider");
    return [];
  });
}

/** How detailed an image is to be seen. */
export function readResolution(level: Json | undefined, path: string, findings: Findings): ImagePart["detail"] {
  if (level === "MEDIA_RESOLUTION_LOW") return "low";
  if (level === "MEDIA_RESOLUTION_HIGH") return "high";
  if (level !== undefined && level !== "MEDIA_RESOLUTION_UNSPECIFIED") findings.foreign(path);
  return undefined;
}

function inline(media: JsonObject, mediaType: string, path: string, findings: Findings): MediaSource | undefined {
  const data = textOf(media["data"]);
  if (data !== undefined && mediaType !== "")
    return { type: "base64", mediaType, data: data.replaceAll("-", "+").replaceAll("_", "/") };
  findings.invalid(path, "expected mimeType and data");
  return undefined;
}

const KEPT_AT_GOOGLE = /^https:\/\/(?:[\w-]+\.)*googleapis\.com\/v\d\w*\/files\//;

/** Files that anybody can fetch; those kept at Google only Google reads. */
function linked(media: JsonObject, path: string, findings: Findings): MediaSource | undefined {
  const url = textOf(media["fileUri"]);
  if (url === undefined) findings.invalid(path, "expected a fileUri");
  else if (KEPT_AT_GOOGLE.test(url) || !/^https?:\/\//.test(url))
    findings.foreign(at(path, "fileUri"), "a file that is kept at Google cannot be read by others");
  else return { type: "url", url };
  return undefined;
}
