// Decides how a JSON text is changed value by value: what is not changed stays byte for byte, numbers' digits among it.

/** A string or number in a JSON text. */
export interface JsonLeaf {
  /** A member's name, a string, or a number's own digits. */
  readonly kind: "key" | "string" | "number";
  readonly text: string;
  /** Names and places from the top to the leaf, or to the object whose member a name is. Only good until it is answered. */
  readonly path: readonly string[];
}

/** Answers what is to stand in a leaf's place, as a string; `undefined` leaves it as it is. */
export type RewriteLeaf = (leaf: JsonLeaf) => string | undefined;

/** Objects and lists within each other; deeper texts are not rewritten. */
export const MAX_DEPTH = 512;

interface Level {
  readonly isList: boolean;
  /** Items so far. */
  count: number;
}

/**
 * Rewrites the leaves of a valid JSON text. Names that become equal to another of their object stay apart as they
 * come: JSON allows it, readers take the last. O(length), no recursion. Throws a RangeError where it is nested deeper
 * than `MAX_DEPTH`, and a SyntaxError for what is not JSON.
 */
export function rewriteJson(text: string, rewrite: RewriteLeaf): string {
  JSON.parse(text);
  return new Rewriter(text, rewrite).run();
}

/** Walks a text that is known to be JSON. */
class Rewriter {
  readonly #text: string;
  readonly #rewrite: RewriteLeaf;
  readonly #levels: Level[] = [];
  readonly #path: string[] = [];
  #out = "";
  /** What is copied so far. */
  #copied = 0;
  #at = 0;
  #expectsKey = false;

  constructor(text: string, rewrite: RewriteLeaf) {
    this.#text = text;
    this.#rewrite = rewrite;
  }

  run(): string {
    while (this.#at < this.#text.length) this.#step(this.#text.charAt(this.#at));
    return this.#copied === 0 ? this.#text : this.#out + this.#text.slice(this.#copied);
  }

  #step(character: string): void {
    if (character === '"') this.#string();
    else if (character === "{" || character === "[") this.#open(character === "[");
    else if (character === "}" || character === "]") this.#close();
    else if (character === ",") this.#next();
    else if (character === "-" || (character >= "0" && character <= "9")) this.#number();
    else this.#at += 1;
  }

  #open(isList: boolean): void {
    if (this.#levels.length >= MAX_DEPTH) throw new RangeError(`JSON of more than ${MAX_DEPTH} levels`);
    this.#levels.push({ isList, count: 0 });
    this.#path.push(isList ? "0" : "");
    this.#expectsKey = !isList;
    this.#at += 1;
  }

  #close(): void {
    this.#levels.pop();
    this.#path.pop();
    this.#expectsKey = false;
    this.#at += 1;
  }

  #next(): void {
    const level = this.#levels.at(-1);
    if (level?.isList === true) {
      level.count += 1;
      this.#path[this.#path.length - 1] = String(level.count);
    }
    this.#expectsKey = level?.isList === false;
    this.#at += 1;
  }

  #string(): void {
    const end = stringEnd(this.#text, this.#at);
    const quoted = this.#text.slice(this.#at, end);
    const value = quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
    if (this.#expectsKey) {
      const path = this.#path.slice(0, -1);
      this.#path[this.#path.length - 1] = value;
      this.#expectsKey = false;
      this.#put({ kind: "key", text: value, path }, end);
    } else this.#put({ kind: "string", text: value, path: this.#path }, end);
  }

  #number(): void {
    let end = this.#at + 1;
    while (end < this.#text.length && /[\d.eE+-]/.test(this.#text.charAt(end))) end += 1;
    this.#put({ kind: "number", text: this.#text.slice(this.#at, end), path: this.#path }, end);
  }

  #put(leaf: JsonLeaf, end: number): void {
    const changed = this.#rewrite(leaf);
    if (changed !== undefined) {
      this.#out += this.#text.slice(this.#copied, this.#at) + JSON.stringify(changed);
      this.#copied = end;
    }
    this.#at = end;
  }
}

/** Offset behind the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charAt(at - 1 - slashes) === "\\") slashes += 1;
    if (slashes % 2 === 0) return at + 1;
  }
  return text.length;
}
