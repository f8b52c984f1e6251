// The script of a Worker that stands behind a queue binding and keeps its messages on disk, as a real queue does: the local runtime's own forgets them when it is killed.

/** The Worker's script. Its default entrypoint takes messages; its object delivers them to `GATEWAY` until they are acknowledged. */
export const DURABLE_QUEUE = `
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
const EVERY_MS = 100;
export class Messages extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, sent_at INTEGER NOT NULL)");
  }
  async send(body) {
    this.ctx.storage.sql.exec("INSERT INTO messages (body, sent_at) VALUES (?, ?)", body, Date.now());
    await this.ctx.storage.setAlarm(Date.now() + EVERY_MS);
  }
  depth() {
    return this.ctx.storage.sql.exec("SELECT count(*) AS n FROM messages").one().n;
  }
  async alarm() {
    const rows = this.ctx.storage.sql.exec("SELECT * FROM messages ORDER BY id LIMIT 100").toArray();
    if (rows.length === 0) return;
    await this.ctx.storage.setAlarm(Date.now() + EVERY_MS);
    const messages = rows.map((row) => ({ id: String(row.id), timestamp: new Date(row.sent_at), body: row.body, attempts: 1 }));
    const result = await this.env.GATEWAY.queue("interlock-traces", messages, { metrics: { backlogCount: 0, backlogBytes: 0 } });
    if (result.outcome !== "ok") return;
    const acked = result.ackAll ? rows.map((row) => String(row.id)) : result.explicitAcks;
    for (const id of acked) this.ctx.storage.sql.exec("DELETE FROM messages WHERE id = ?", Number(id));
  }
}
export default class extends WorkerEntrypoint {
  async fetch() {
    return Response.json({ depth: await this.env.MESSAGES.getByName("all").depth() });
  }
  async send(body) {
    await this.env.MESSAGES.getByName("all").send(body);
  }
}
`;
