// Lays the summary of a run out as text tables.
import { type LoadName, loads } from "../load/loads.ts";
import type { Compared, FirstByteRow, LoadRow, Summary } from "./summary.ts";

/** The whole report: one table per load and concurrency, then the first bytes. */
export function renderTables(summary: Summary): string {
  const loadTables = [...Map.groupBy(summary.load, titleOf)].map(([title, rows]) =>
    table(title, loadHeader, rows.map(loadCells)),
  );
  const firstByteTables = [...Map.groupBy(summary.firstByte, (row) => row.load)].map(([name, rows]) =>
    table(`first byte, ${describe(name)}`, firstByteHeader, rows.map(firstByteCells)),
  );
  return [...loadTables, ...firstByteTables].join("\n\n");
}

function titleOf({ load, connections }: LoadRow): string {
  return `${describe(load)}, c=${connections}`;
}

function describe(name: LoadName): string {
  const { title, body } = loads[name];
  return `${title} (${Buffer.byteLength(body)} B)`;
}

const loadHeader = ["target", "req/s", "x bare", "CPU us", "x bare", "p50 ms", "x bare", "p99 ms", "failed"];

function loadCells(row: LoadRow): readonly string[] {
  return [
    row.target,
    ...compared(row.rps, 0),
    ...compared(row.cpuUs, 0),
    ...compared(row.p50Ms, 2),
    row.p99Ms.value.toFixed(1),
    String(row.failures),
  ];
}

function compared({ value, ratio }: Compared, digits: number): readonly string[] {
  return [value.toFixed(digits), ratio === null ? "-" : ratio.toFixed(2)];
}

const firstByteHeader = ["target", "p50 ms", "p99 ms", "added to direct", "streams", "pieces"];

function firstByteCells(row: FirstByteRow): readonly string[] {
  return [
    row.target,
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.addedMs === null ? "-" : `${row.addedMs < 0 ? "" : "+"}${row.addedMs.toFixed(2)}`,
    String(row.streams),
    String(row.fewestPieces),
  ];
}

/** A table of text, its first column to the left. */
export function table(title: string, header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [title, line(header), rule, ...rows.map(line)].join("\n");
}
