// Decides how the CLI ends: one table of exit codes, and the one failure that commands throw.

/** Exit codes of every command. */
export const EXIT = {
  ok: 0,
  /** The gateway refused it, or the document is not valid. */
  refused: 1,
  /** What was typed cannot be run: an option, an argument, a missing key, an unreadable file. */
  usage: 2,
  /** The gateway could not be reached, failed, or answered something unexpected. */
  couldNotRun: 3,
} as const;

/** One of the exit codes. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command: the lines go to stderr as they are, the process exits with the code. */
export class CommandFailure extends Error {
  readonly exit: ExitCode;
  readonly lines: readonly string[];

  constructor(exit: ExitCode, lines: readonly string[]) {
    super(lines.join("\n"));
    this.name = "CommandFailure";
    this.exit = exit;
    this.lines = lines;
  }
}

/** The failure of a command that was typed wrongly. */
export function usageFailure(...lines: readonly string[]): CommandFailure {
  return new CommandFailure(EXIT.usage, lines);
}
