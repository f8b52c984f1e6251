// Touches what evals keep in R2: cases in gzipped segments, plans of runs, and episodes, all under their tenant's prefix.
import type { EvalCase } from "../../core/eval/case.ts";
import { sha256Hex } from "../../core/json/digest.ts";
import type { CasePlace } from "../../gateway/ports/evals.ts";
import { gzipped, unzipped } from "./gzip.ts";

/** Cases of one segment, and the characters after which another one begins. */
const PER_SEGMENT = 20;
const SEGMENT_CHARS = 2_000_000;
/** Objects that R2 deletes at once. */
const AT_ONCE = 1_000;
/** Segments that are written or read at once. */
const PARALLEL = 6;

/** Bodies of evals in a bucket. */
export class EvalBodies {
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  /** Stores cases in segments named by their content; answers where each lies, in their order. */
  async putCases(tenant: string, dataset: string, cases: readonly EvalCase[]): Promise<readonly CasePlace[]> {
    const segments = segmentsOf(cases.map((each) => JSON.stringify(each)));
    const places: CasePlace[][] = [];
    for (let at = 0; at < segments.length; at += PARALLEL) {
      const written = segments.slice(at, at + PARALLEL).map(async (lines) => {
        const text = lines.join("\n");
        const segment = `${prefixOf(tenant)}cases/${dataset}/${sha256Hex(text).slice(0, 32)}.ndjson.gz`;
        await this.#bucket.put(segment, await gzipped(text));
        return lines.map((_, line) => ({ segment, line }));
      });
      places.push(...(await Promise.all(written)));
    }
    return places.flat();
  }

  /** The cases at these places; one whose line is empty or gone is left out. */
  async readCases(tenant: string, places: readonly CasePlace[]): Promise<readonly EvalCase[]> {
    const names = [...new Set(places.map(({ segment }) => segment))];
    const lines = new Map<string, readonly string[]>();
    for (let at = 0; at < names.length; at += PARALLEL) {
      const read = names.slice(at, at + PARALLEL).map(async (name) => [name, await this.#lines(tenant, name)] as const);
      for (const [name, found] of await Promise.all(read)) lines.set(name, found);
    }
    return places.flatMap(({ segment, line }) => {
      const text = lines.get(segment)?.[line] ?? "";
      // Of our own making: its shape is known.
      return text === "" ? [] : [JSON.parse(text) as EvalCase];
    });
  }

  /** Leaves these lines of a segment empty; a segment without a line left is deleted. Throws when another changed it meanwhile. */
  async blankCases(tenant: string, segment: string, gone: ReadonlySet<number>): Promise<void> {
    if (!segment.startsWith(prefixOf(tenant))) return;
    const object = await this.#bucket.get(segment);
    if (object === null) return;
    const lines = (await unzipped(object.body)).split("\n").map((text, line) => (gone.has(line) ? "" : text));
    if (lines.every((text) => text === "")) return this.#bucket.delete(segment);
    const stored = await this.#bucket.put(segment, await gzipped(lines.join("\n")), {
      onlyIf: { etagMatches: object.etag },
    });
    if (stored === null) throw new Error("the segment was changed meanwhile");
  }

  /** Stores a value of ours, gzipped, under a name of the tenant's; answers its key. */
  async put(tenant: string, name: string, value: unknown): Promise<string> {
    const key = `${prefixOf(tenant)}${name}.json.gz`;
    await this.#bucket.put(key, await gzipped(JSON.stringify(value)));
    return key;
  }

  /** A value that `put` stored; `undefined` for one that is gone or is another tenant's. */
  async get(tenant: string, key: string): Promise<unknown> {
    if (!key.startsWith(prefixOf(tenant))) return undefined;
    const object = await this.#bucket.get(key);
    return object === null ? undefined : (JSON.parse(await unzipped(object.body)) as unknown);
  }

  /** Deletes these keys of a tenant. */
  async remove(tenant: string, keys: readonly string[]): Promise<void> {
    const own = keys.filter((key) => key.startsWith(prefixOf(tenant)));
    for (let at = 0; at < own.length; at += AT_ONCE) await this.#bucket.delete(own.slice(at, at + AT_ONCE));
  }

  async #lines(tenant: string, segment: string): Promise<readonly string[]> {
    if (!segment.startsWith(prefixOf(tenant))) return [];
    const object = await this.#bucket.get(segment);
    return object === null ? [] : (await unzipped(object.body)).split("\n");
  }
}

function prefixOf(tenant: string): string {
  return `evals/${tenant}/`;
}

function segmentsOf(lines: readonly string[]): readonly (readonly string[])[] {
  const segments: string[][] = [];
  let chars = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    if (chars + line.length > SEGMENT_CHARS || (segments.at(-1)?.length ?? PER_SEGMENT) >= PER_SEGMENT) {
      segments.push([]);
      chars = 0;
    }
    segments.at(-1)?.push(line);
    chars += line.length;
  }
  return segments;
}
