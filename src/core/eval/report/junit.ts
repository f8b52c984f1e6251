// Writes a report as JUnit XML: failures of the candidate are failures, those of the infrastructure errors, undecided cases skipped.
import { dayOf } from "../../units/utc-day.ts";
import type { EvalRun } from "../run.ts";
import type { RunReport } from "./run-report.ts";

/** Signs that XML 1.0 has no place for, and what stands for those that mean something. */
const UNSAID = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** The JUnit XML of a finished run: one test case for the gate, one for each metric that decides, one for each case. */
export function junitOf(run: EvalRun, { gate, lines, counts }: RunReport): string {
  const deciding = gate.metrics.filter(({ verdict }) => verdict !== "ADVISORY");
  const gateCase = testCase("gate", run.suite, gateOutcome(gate.verdict, gate.reasons.join("\n")));
  const metrics = deciding.map((metric) =>
    testCase(`metric ${metric.id}`, run.suite, gateOutcome(metric.verdict, metric.says)),
  );
  const cases = lines.map(({ id, outcome, says }) =>
    testCase(
      id,
      `${run.suite}.cases`,
      outcome === "pass"
        ? ""
        : outcome === "fail"
          ? element("failure", says)
          : outcome === "error"
            ? element("error", says)
            : element("skipped", says),
    ),
  );
  const all = [gateCase, ...metrics, ...cases];
  const of = (tag: string): number => all.filter((each) => each.includes(`<${tag} `)).length;
  const seconds = ((run.finishedAt ?? run.createdAt) - run.createdAt) / 1000;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="interlock" tests="${all.length}" failures="${of("failure")}" errors="${of("error")}" skipped="${of("skipped")}" time="${seconds}">`,
    `  <testsuite name="${escaped(run.suite)}" tests="${all.length}" failures="${of("failure")}" errors="${of("error")}" skipped="${of("skipped")}" time="${seconds}" timestamp="${isoOf(run.createdAt)}">`,
    `    <properties><property name="run" value="${escaped(run.id)}"/><property name="verdict" value="${gate.verdict}"/><property name="candidate" value="${escaped(run.candidateDigest)}"/><property name="cases" value="${counts["done"] ?? 0}"/></properties>`,
    ...all.map((each) => `    ${each}`),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

function gateOutcome(verdict: string, says: string): string {
  switch (verdict) {
    case "SHIP":
      return "";
    case "BLOCK":
      return element("failure", says);
    case "ERROR":
      return element("error", says);
    default:
      return element("skipped", says);
  }
}

function testCase(name: string, group: string, inner: string): string {
  const open = `<testcase name="${escaped(name)}" classname="${escaped(group)}"`;
  return inner === "" ? `${open}/>` : `${open}>${inner}</testcase>`;
}

function element(tag: string, says: string): string {
  return `<${tag} message="${escaped(says)}"/>`;
}

function escaped(text: string): string {
  return text
    .replaceAll(UNSAID, "")
    .replaceAll(/[&<>"']/g, (sign) => ESCAPES[sign] ?? "")
    .replaceAll("\n", "&#10;");
}

/** An instant as ISO 8601 to the second. */
function isoOf(ms: number): string {
  const rest = ((ms % DAY_MS) + DAY_MS) % DAY_MS;
  const pad = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  return `${dayOf(ms)}T${pad(rest / 3_600_000)}:${pad((rest / 60_000) % 60)}:${pad((rest / 1000) % 60)}Z`;
}

const DAY_MS = 86_400_000;
