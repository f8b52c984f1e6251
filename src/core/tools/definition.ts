// Decides how a tool's definition is named by its digest: what approvals, records and releases are bound to.
import type { ToolEntry } from "../config/document.ts";
import { digestOf } from "../json/digest.ts";

/** SHA-256 of a tool's name and whole entry. */
export function definitionDigest(name: string, entry: ToolEntry): string {
  return digestOf({ name, ...entry });
}
