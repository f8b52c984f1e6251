// Proves that a job of the cron that fails stops no other, and that each cron runs its own.
import { afterEach, describe, expect, it, vi } from "vitest";
import { runJobs, type Job } from "../../src/jobs/run-jobs.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("jobs", () => {
  const ran: string[] = [];
  const job = (name: string, cron: string, run: () => void = () => undefined): Job => ({
    name,
    cron,
    run: async () => {
      ran.push(name);
      run();
    },
  });
  const jobs = [
    job("first", "*/5 * * * *", () => {
      throw new RangeError("too many subrequests");
    }),
    job("second", "*/5 * * * *"),
    job("third", "1-59/5 * * * *"),
  ];

  it("go on where one fails, and it is said which", async () => {
    const said = vi.spyOn(console, "error").mockReturnValue();
    ran.length = 0;
    await runJobs(jobs, "*/5 * * * *");
    expect(ran).toEqual(["first", "second"]);
    expect(said.mock.calls).toEqual([[JSON.stringify({ event: "job_failed", job: "first", reason: "RangeError" })]]);
  });

  it("run with their own cron only, and all with one that nobody names", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    ran.length = 0;
    await runJobs(jobs, "1-59/5 * * * *");
    expect(ran).toEqual(["third"]);
    await runJobs(jobs, "by hand");
    expect(ran).toEqual(["third", "first", "second", "third"]);
  });
});
