// Touches what ledgers stated in D1: the names of erased calls leave it, their number stays.
import { erasedSession, withoutErased, type AdmittedEntry } from "../../core/trace/erased-admissions.ts";

/** Statements read at once. */
const PAGE = 200;

interface Asked {
  readonly sessions: readonly string[] | null;
  readonly before: number;
  readonly isRenamed: boolean;
  readonly isErased: (entry: AdmittedEntry) => boolean;
}

interface Statement {
  readonly hour: number;
  readonly session_id: string;
  readonly from_seq: number;
  readonly calls: string;
}

const OF_SESSIONS = `SELECT hour, session_id, from_seq, calls FROM admissions
WHERE tenant = ?1 AND hour < ?2 AND session_id IN (SELECT value FROM json_each(?3))`;
const OF_ANY = `SELECT hour, session_id, from_seq, calls FROM admissions
WHERE tenant = ?1 AND hour < ?2 AND session_id NOT LIKE 'erased~_%' ESCAPE '~' AND ?3 IS NULL LIMIT ${PAGE}`;
const REPLACE = `UPDATE OR REPLACE admissions SET calls = ?5, session_id = ?6
WHERE tenant = ?1 AND hour = ?2 AND session_id = ?3 AND from_seq = ?4`;

/** Takes erased calls' names out of statements; answers how many statements were changed. */
export async function eraseAdmissions(
  database: D1Database,
  tenant: string,
  { sessions, before, isRenamed, isErased }: Asked,
): Promise<number> {
  const { results } = await database
    .prepare(sessions === null ? OF_ANY : OF_SESSIONS)
    .bind(tenant, before, sessions === null ? null : JSON.stringify(sessions))
    .all<Statement>();
  const updates = results.flatMap((statement) => {
    const { hour, session_id: session, from_seq: from, calls } = statement;
    const without = withoutErased(calls, isErased);
    const name = isRenamed ? erasedSession(tenant, session) : session;
    if (without === undefined && name === session) return [];
    return [database.prepare(REPLACE).bind(tenant, hour, session, from, without?.calls ?? calls, name)];
  });
  for (let at = 0; at < updates.length; at += PAGE) await database.batch(updates.slice(at, at + PAGE));
  return updates.length;
}
