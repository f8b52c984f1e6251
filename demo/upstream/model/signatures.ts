// Signs what the model thought, so that thoughts that come back changed, or to the wrong vendor, are noticed.

/** Who signed. */
export type Signer = "openai" | "anthropic" | "gemini";

/** The signature of a text, the same each time. No secret: it only has to be right by no accident. */
export function sign(signer: Signer, text: string): string {
  return btoa(`${signer}:${hash(text, 0x811c_9dc5)}${hash(text, 0x1234_5677)}${hash(text, 0x0bad_cafe)}`);
}

/** FNV-1a over UTF-16 units, as eight hexadecimal digits. */
function hash(text: string, seed: number): string {
  let value = seed;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x0100_0193);
  return (value >>> 0).toString(16).padStart(8, "0");
}
