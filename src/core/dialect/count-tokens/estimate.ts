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

/** What of a request is a prompt, at Anthropic and at Gemini. */
const PROMPT = ["messages", "system", "tools", "contents", "systemInstruction", "system_instruction"];

/**
 * The tokens of an Anthropic or a Gemini request, media by their kind and everything else by its bytes: as many to a
 * character as the body as a whole has, so that no text has to be encoded for it.
 */
export function estimateTokens(
  request: JsonObject,
  { bytes, text }: { readonly bytes: number; readonly text: string },
): number {
  const { characters, tokens } = weigh(PROMPT.map((member) => request[member] ?? ""));
  const bytesPerCharacter = bytes / Math.max(1, text.length);
  return Math.max(1, Math.ceil((characters * bytesPerCharacter) / BYTES_PER_TOKEN) + tokens);
}

interface Weight {
  characters: number;
  tokens: number;
}

function weigh(value: Json, sum: Weight = { characters: 0, tokens: 0 }): Weight {
  if (typeof value === "string") sum.characters += value.length;
  else if (Array.isArray(value)) for (const item of value as readonly Json[]) weigh(item, sum);
  else if (!isJsonObject(value)) sum.characters += JSON.stringify(value).length;
  else if (value["type"] === "image") sum.tokens += TOKENS_PER_IMAGE;
  else if (value["type"] === "base64" && typeof value["data"] === "string")
    sum.tokens += Math.ceil(value["data"].length / DOCUMENT_CHARACTERS_PER_TOKEN);
  else if (mediaType(value) !== undefined) sum.tokens += mediaTokens(value);
  else
    for (const [key, member] of Object.entries(value)) {
      // A key stands with its quotes, colon and comma.
      sum.characters += key.length + 4;
      weigh(member, sum);
    }
  return sum;
}

/** The type of what a Gemini part holds or names. */
function mediaType(value: JsonObject): string | undefined {
  const type = value["mimeType"] ?? value["mime_type"];
  const source = value["data"] ?? value["fileUri"] ?? value["file_uri"];
  return typeof type === "string" && typeof source === "string" ? type : undefined;
}

function mediaTokens(value: JsonObject): number {
  const { data } = value;
  // What is only named counts like an image: nobody here knows how long it is.
  if (typeof data !== "string" || mediaType(value)?.startsWith("image/") === true) return TOKENS_PER_IMAGE;
  return Math.ceil(data.length / DOCUMENT_CHARACTERS_PER_TOKEN);
}
