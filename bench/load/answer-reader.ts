// Finds where each HTTP/1.1 answer on a keep-alive connection ends, by length or by chunks.

const blank = "\r\n\r\n";

/**
 * Takes the bytes of one connection and says when an answer is complete.
 * Knows `Content-Length` and chunked bodies without trailers; one answer at a time, no pipelining.
 */
export class AnswerReader {
  #head = "";
  #status = 0;
  /** Bytes left of the body or of the current chunk, its line end included. */
  #left = 0;
  #isChunked = false;
  #isLastChunk = false;
  #sizeLine = "";
  #state: "head" | "body" | "size" | "chunk" = "head";

  /** Answers the status code when `data` completes an answer, else undefined. */
  push(data: Buffer): number | undefined {
    let at = 0;
    while (at < data.length) {
      if (this.#state === "head") at = this.#readHead(data, at);
      else if (this.#state === "size") at = this.#readSize(data, at);
      else at = this.#skip(data, at);
      if (this.#isComplete()) return this.#finish();
    }
    return undefined;
  }

  #readHead(data: Buffer, at: number): number {
    const before = this.#head.length;
    this.#head += data.toString("latin1", at);
    const end = this.#head.indexOf(blank, Math.max(0, before - blank.length));
    if (end < 0) return data.length;
    const head = this.#head.slice(0, end);
    this.#status = Number(head.slice(9, 12));
    this.#isChunked = /\ntransfer-encoding:\s*chunked/i.test(head);
    this.#left = Number(/\ncontent-length:\s*(\d+)/i.exec(head)?.[1] ?? 0);
    this.#state = this.#isChunked ? "size" : "body";
    return at + end + blank.length - before;
  }

  #readSize(data: Buffer, at: number): number {
    const end = data.indexOf(10, at);
    this.#sizeLine += data.toString("latin1", at, end < 0 ? data.length : end);
    if (end < 0) return data.length;
    const size = Number.parseInt(this.#sizeLine, 16);
    this.#sizeLine = "";
    this.#isLastChunk = size === 0;
    this.#left = size + 2;
    this.#state = "chunk";
    return end + 1;
  }

  #skip(data: Buffer, at: number): number {
    const taken = Math.min(this.#left, data.length - at);
    this.#left -= taken;
    if (this.#left === 0 && this.#state === "chunk" && !this.#isLastChunk) this.#state = "size";
    return at + taken;
  }

  #isComplete(): boolean {
    if (this.#left > 0) return false;
    return this.#state === "body" || (this.#state === "chunk" && this.#isLastChunk);
  }

  #finish(): number {
    this.#head = "";
    this.#isLastChunk = false;
    this.#state = "head";
    return this.#status;
  }
}
