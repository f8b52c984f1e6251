// Decides how many tokens a prompt is taken to have where nobody counts them: from its bytes, roughly and rather too many.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";

/**
 * UTF-8 bytes per token. English prose has 3.3 and JSON 4.3 with a large vocabulary, code 2.7; vocabularies differ, so that
 * no figure is right for all.
 */
const BYTES_PER_TOKEN = 3;
/** What one image counts: the most that Anthropic's own formula gives. */
const TOKENS_PER_IMAGE = 1_600;
/** Base64 characters of a document per token: pages are pictures and text, and files differ widely. */
const DOCUMENT_CHARACTERS_PER_TOKEN = 25;

/** The tokens of a request in Anthropic's dialect, media by their kind and everything else by its bytes. */
export function estimateTokens({ messages = [], system = "", tools = [] }: JsonObject): number {
  const { bytes, tokens } = weigh([messages, system, tools]);
  return Math.max(1, Math.ceil(bytes / BYTES_PER_TOKEN) + tokens);
}

interface Weight {
  bytes: number;
  tokens: number;
}

function weigh(value: Json, sum: Weight = { bytes: 0, tokens: 0 }): Weight {
  if (typeof value === "string") sum.bytes += byteLength(value);
  else if (Array.isArray(value)) for (const item of value as readonly Json[]) weigh(item, sum);
  else if (!isJsonObject(value)) sum.bytes += JSON.stringify(value).length;
  else if (value["type"] === "image") sum.tokens += TOKENS_PER_IMAGE;
  else if (value["type"] === "base64" && typeof value["data"] === "string")
    sum.tokens += Math.ceil(value["data"].length / DOCUMENT_CHARACTERS_PER_TOKEN);
  else
    for (const [key, member] of Object.entries(value)) {
      // A key stands with its quotes, colon and comma.
      sum.bytes += byteLength(key) + 4;
      weigh(member, sum);
    }
  return sum;
}

const ENCODER = new TextEncoder();

function byteLength(text: string): number {
  // oxlint-disable-next-line no-control-regex -- plain ASCII is as long as its characters, and needs no copy
  return /^[\x00-\x7f]*$/.test(text) ? text.length : ENCODER.encode(text).byteLength;
}
