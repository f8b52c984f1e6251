// Packs and unpacks texts as objects hold them.

/** The gzip bytes of a text. */
export function gzipped(text: string): Promise<ArrayBuffer> {
  return new Response(new Response(text).body?.pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
}

/** The text of gzip bytes. */
export function unzipped(body: ReadableStream): Promise<string> {
  return new Response(body.pipeThrough(new DecompressionStream("gzip"))).text();
}
