// Proves on the built Worker that one user's records are erased and another's are not, that the index comes back from the segments, and that exports load as Parquet.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXPORT_COLUMNS } from "../../src/core/trace/export-columns.ts";
import { runCli } from "../cli/run-cli.ts";
import { at, openStage, until, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
let tenant: Tenant;
let admin: string;
const folder = mkdtempSync(path.join(tmpdir(), "interlock-export-"));

beforeAll(async () => {
  stage = await openStage();
  tenant = await stage.tenant();
  ({ key: admin } = await stage.key(tenant.id, ["admin"]));
  for (const [user, word] of [
    ["ada_lovelace_07", "violet"],
    ["grace_hopper_09", "amber"],
  ] as const) {
    const headers = { "Interlock-Session": "shared", "Interlock-User": user, "Interlock-Release": "r1" };
    const said = `unmistakable ${word} words`;
    await tenant.chatAnswer({ model: "demo-small", messages: [{ role: "user", content: said }] }, { headers });
    await tenant.tool("crm.get_customer", { customer_id: "cus_123" }, {}, { headers });
  }
  await recordedOf("shared", 4);
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await stage.close();
});

interface Listed {
  readonly trace_id: string;
  readonly span_id: string;
  readonly user: string;
}

async function listed(query: string): Promise<readonly Listed[]> {
  const { json } = await tenant.get(`/v1/traces?limit=200&${query}`, tenant.auditor);
  return json["data"] as readonly Listed[];
}

function recordedOf(session: string, count: number): Promise<readonly Listed[]> {
  return until(`${count} records of ${session}`, async () => {
    const found = await listed(`session=${session}`);
    return found.length === count ? found : undefined;
  });
}

const cli = (args: readonly string[]): ReturnType<typeof runCli> =>
  runCli(args, { cwd: folder, env: { INTERLOCK_URL: stage.gateway.url, INTERLOCK_KEY: admin } });

async function runCron(): Promise<void> {
  const worker = await stage.gateway.miniflare.getWorker("gateway");
  await worker.scheduled({ cron: "every job", scheduledTime: new Date() });
}

/** Everything that lies in D1 and R2, the full-text index's own pages among it. */
async function everythingStored(): Promise<string> {
  const database = await stage.gateway.miniflare.getD1Database("DB", "gateway");
  const tables = await database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{ name: string }>();
  const texts: string[] = [];
  for (const { name } of tables.results.filter((each) => each.name !== "calls_text" && !each.name.startsWith("_cf"))) {
    const { results } = await database.prepare(`SELECT * FROM "${name}"`).all();
    for (const value of results.flatMap((row) => Object.values(row)))
      texts.push(Array.isArray(value) ? Buffer.from(value as number[]).toString("latin1") : String(value));
  }
  const bucket = await stage.gateway.miniflare.getR2Bucket("BLOBS", "gateway");
  for (const { key } of (await bucket.list()).objects) {
    const object = await bucket.get(key);
    const bytes = Buffer.from((await object?.arrayBuffer()) ?? new ArrayBuffer(0));
    texts.push(key, (key.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("latin1"));
  }
  return texts.join("\n");
}

describe("an export", () => {
  test("of rows is a table of fixed types: written as Parquet and read back the same", async () => {
    const [first] = await recordedOf("shared", 4);
    const outcome =
      "INSERT INTO outcomes VALUES (?1, ?2, 'o', 'escalated', '{}', '{}', NULL, NULL, 1790000000000, 1790000000000, 'k', 'd')";
    const database = await stage.gateway.miniflare.getD1Database("DB", "gateway");
    await database
      .prepare(outcome)
      .bind(tenant.id, first?.trace_id.slice(3) ?? "")
      .run();
    const run = await cli([
      "traces",
      "export",
      "--format",
      "rows",
      "--output",
      "rows.ndjson",
      "--from",
      "2020-01-01T00:00:00Z",
    ]);
    expect([run.code, run.stderr]).toEqual([0, ""]);
    const rows = linesOf("rows.ndjson").filter((row) => row["session_id"] === "shared");
    expect(rows).toHaveLength(4);
    expect(rows.every((row) => Object.keys(row).join() === EXPORT_COLUMNS.map(({ name }) => name).join())).toBe(true);
    expect(rows.filter((row) => row["outcome"] === "escalated").map((row) => row["span_id"])).toEqual([first?.span_id]);
    const file = parquetWriteBuffer({
      columnData: EXPORT_COLUMNS.map(({ name, type, isNullable }) => ({
        name,
        type: { string: "STRING", int64: "INT64", timestamp_ms: "TIMESTAMP" }[type] as "STRING" | "INT64" | "TIMESTAMP",
        nullable: isNullable,
        data: rows.map((row) => parquetValue(row[name] ?? null, type)),
      })),
    });
    const back = await parquetReadObjects({ file });
    expect(
      back.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainValue(value)]))),
    ).toEqual(rows);
  });

  test("of records has each whole, goes on by its cursor, and says when it ends", async () => {
    const first = await tenant.get("/v1/traces/export?session=shared&max=3", tenant.auditor);
    const lines = first.text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first.headers.get("content-type")).toBe("application/x-ndjson");
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatchObject({ v: 1, index: { tenant: tenant.id, session_id: "shared" } });
    expect(lines[3]).toEqual({ interlock_export: { records: 3, next_cursor: expect.stringMatching(/^\d+$/) } });
    const cursor = at(lines[3], "interlock_export.next_cursor") as string;
    const rest = (await tenant.get(`/v1/traces/export?session=shared&cursor=${cursor}`, tenant.auditor)).text
      .trimEnd()
      .split("\n");
    expect(rest).toHaveLength(2);
    const adas = await tenant.get("/v1/traces/export?user=ada_lovelace_07&format=rows", tenant.auditor);
    expect(adas.text.trimEnd().split("\n")).toHaveLength(3);
    expect(rest[1]).toBe('{"interlock_export":{"records":1,"next_cursor":null}}');
    const wrong = await tenant.get("/v1/traces/export?format=csv&user=x", tenant.auditor);
    expect([wrong.status, wrong.json["code"]]).toEqual([400, "invalid_request"]);
  });
});

describe("the index", () => {
  test("comes back from the segments once all its rows are lost", async () => {
    const before = await listed("session=shared");
    const database = await stage.gateway.miniflare.getD1Database("DB", "gateway");
    await database.batch([database.prepare("DELETE FROM calls_text"), database.prepare("DELETE FROM calls")]);
    expect(await listed("session=shared")).toEqual([]);
    const young = await cli(["traces", "reindex"]);
    expect(young.stdout).toMatch(/^0 records in 0 segments are in the index\n\d+ segments are younger than 15 minutes/);
    const run = await cli(["traces", "reindex", "--recent"]);
    expect([run.code, run.stderr]).toEqual([0, ""]);
    expect(run.stdout).toMatch(/^\d+ records in \d+ segments are in the index/);
    expect(await listed("session=shared")).toEqual(before);
    expect(await listed("q=%22unmistakable%20violet%22")).toHaveLength(1);
  });
});

describe("an erased user", () => {
  test("is found nowhere, and who shared the session is found everywhere", async () => {
    expect(await everythingStored()).toContain("unmistakable violet words");
    const [ada] = await listed("q=%22unmistakable%20violet%22");
    const [grace] = await listed("q=%22unmistakable%20amber%22");
    if (ada === undefined || grace === undefined) throw new Error("nothing of theirs");
    const body = { scope: "user", user: "ada_lovelace_07", reason: "request 17" };
    const asked = await stage.send("POST", "/v1/erasures", body, { key: admin });
    expect(asked.status).toBe(202);
    const receipt = await until("the first pass", async () => {
      await runCron();
      const { json } = await stage.send("GET", `/v1/erasures/${String(asked.json["id"])}`, undefined, { key: admin });
      return json["status"] === "waiting" ? json : undefined;
    });
    expect(receipt["counts"]).toMatchObject({ index_rows: 2, segment_lines: 2, tool_calls: 1 });
    expect(receipt["left"]).toEqual([]);
    const stored = await everythingStored();
    expect([stored.includes("violet"), stored.includes("ada_lovelace_07")]).toEqual([false, false]);
    // Until it is finished, the erasure itself says whom it looks for.
    expect(stored.split(ada.user)).toHaveLength(2);
    const left = await listed("session=shared");
    expect(left.map(({ user }) => user)).toEqual([grace.user, grace.user]);
    for (const { trace_id: id } of left)
      expect((await tenant.get(`/v1/traces/${id}`, tenant.auditor)).status).toBe(200);
    expect(stored).toContain("unmistakable amber words");
    const act = await until("the record of the erasure", async () => {
      const { text } = await tenant.get("/v1/traces/export?kind=erasure", tenant.auditor);
      return text.includes('"kind":"erasure"') ? text : undefined;
    });
    expect(act).toContain(String(asked.json["id"]));
  });
});

function linesOf(file: string): readonly Record<string, unknown>[] {
  return readFileSync(path.join(folder, file), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function parquetValue(value: unknown, type: (typeof EXPORT_COLUMNS)[number]["type"]): unknown {
  if (typeof value !== "number") return value;
  return type === "timestamp_ms" ? new Date(value) : BigInt(value);
}

function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  return value instanceof Date ? value.getTime() : (value ?? null);
}
