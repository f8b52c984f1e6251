// Decides how much the pictures, files and sounds of a request may add to its prompt, without building its values.

/** What a request's media may add. */
export interface Media {
  /** Pictures and inline sounds, each of which needs a bounded number of tokens. */
  readonly bounded: number;
  /** Whether there is one that may be as long as a context: a document, a film, whatever is known to be no picture. */
  readonly isLong: boolean;
}

const NONE: Media = { bounded: 0, isLong: false };

/** What every medium holds one of: most bodies hold none, and plain searches are far cheaper than the patterns. */
const WORDS = [
  "image",
  "audio",
  "file",
  "inline",
  "document",
  "video",
  '"url"',
  "base64",
  "container_upload",
  "screenshot",
];

const TYPE = String.raw`"type"\s*:\s*`;
const IMAGE = `${TYPE}"image"`;
const SOURCE = String.raw`"source"\s*:\s*\{[^{}]*\}`;
const BETWEEN = String.raw`\s*,\s*(?:"cache_control"\s*:\s*(?:null|\{[^{}]*\})\s*,\s*)?`;

/**
 * The first that matches counts, so that the source of a picture of Anthropic's is not taken for one of its own: every other
 * source is a document's, or unknown.
 */
const MEDIUM = new RegExp(
  [
    `(?<typed>${IMAGE}${BETWEEN}${SOURCE}|${SOURCE}${BETWEEN}${IMAGE}` +
      `|${TYPE}"(?:image|image_url|input_image|computer_screenshot|audio|input_audio)")`,
    `(?<long>${TYPE}"(?:document|file|input_file|video|video_url|input_video|audio_url|container_upload|url|base64)"` +
      String.raw`|"file_(?:url|data)"\s*:\s*")`,
    String.raw`(?<field>"(?:image_url|input_audio|file_id)"\s*:|"audio"\s*:\s*\{\s*"id")`,
  ].join("|"),
  "g",
);

/** Gemini's data, inline or by address; what follows a brace within it is not seen, and then it is no picture for certain. */
const DATA = /"(?:inlineData|inline_data|fileData|file_data)"\s*:\s*\{[^{}]*\}?/g;
const IMAGE_DATA = /"(?:mimeType|mime_type)"\s*:\s*"image\\?\/[^{]*\}$/;
const OTHER_DATA = /"(?:mimeType|mime_type)"\s*:\s*"(?!image\\?\/)/;

/**
 * The media of a body of any dialect, by its text. What only looks like a medium counts as one: more is held than is needed,
 * never less.
 */
export function mediaIn(text: string): Media {
  if (!WORDS.some((word) => text.includes(word))) return NONE;
  let typed = 0;
  let fields = 0;
  let isLong = false;
  for (const { groups } of text.matchAll(MEDIUM)) {
    if (groups?.["long"] !== undefined) isLong = true;
    else if (groups?.["typed"] !== undefined) typed += 1;
    else fields += 1;
  }
  const data = text.match(DATA) ?? [];
  if (data.some((each) => !IMAGE_DATA.test(each)) || (data.length > 0 && OTHER_DATA.test(text))) isLong = true;
  // A part that says its type has its field too.
  return { bounded: Math.max(typed, fields) + data.length, isLong };
}
