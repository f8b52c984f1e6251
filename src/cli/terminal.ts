// Touches stdin, stdout and stderr; no credential of the caller passes through.
import { scrub } from "../core/trace/scrub.ts";
import { visibleText } from "./visible-text.ts";

/** What a process reads from and writes to. */
export interface Streams {
  readonly writeOut: (text: string) => void;
  readonly writeErr: (text: string) => void;
  readonly readIn: () => Promise<Uint8Array>;
  readonly isInteractive: boolean;
}

const KEY_TEXT = /ilk_[0-9a-f]{6,}/g;

/** The terminal of one run. Lines for people are escaped and free of the credentials it was told to hide. */
export class Terminal {
  readonly #streams: Streams;
  #hidden: readonly string[] = [];

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** Whether a person sits at stdin. */
  get isInteractive(): boolean {
    return this.#streams.isInteractive;
  }

  /** Keeps a credential out of everything written from now on, except `raw`. */
  hide(credential: string): void {
    this.#hidden = [...this.#hidden, credential];
  }

  /** Lines on stdout. */
  print(...lines: readonly string[]): void {
    for (const line of lines) this.#streams.writeOut(`${scrub(visibleText(line), this.#hidden)}\n`);
  }

  /** A value as JSON on stdout. */
  printJson(value: unknown): void {
    const lines = JSON.stringify(value, null, 2).split("\n");
    this.print(...lines);
  }

  /** Text on stdout as it is: a document to be read back, or a key that was just made. */
  raw(text: string): void {
    this.#streams.writeOut(text);
  }

  /** Lines on stderr. No API key stands in them, whoever's it is. */
  warn(...lines: readonly string[]): void {
    for (const line of lines) {
      const shown = scrub(visibleText(line), this.#hidden).replaceAll(KEY_TEXT, "[API key]");
      this.#streams.writeErr(`${shown}\n`);
    }
  }

  /** All of stdin. */
  read(): Promise<Uint8Array> {
    return this.#streams.readIn();
  }
}

/** The process's own streams. A reader that leaves early (`| head`) ends the output, not the command. */
export function processStreams(): Streams {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  return {
    writeOut: (text) => void process.stdout.write(text),
    writeErr: (text) => void process.stderr.write(text),
    readIn: async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
      return Buffer.concat(chunks);
    },
    isInteractive: process.stdin.isTTY,
  };
}
