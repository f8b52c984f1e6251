// Runs the protocol's own everything server as a process on a loopback port.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import path from "node:path";
import { listenOn } from "./web-server.ts";

const MAIN = path.join(import.meta.dirname, "../../node_modules/@modelcontextprotocol/server-everything/dist/index.js");

/** A running everything server. It speaks 2025-11-25, in sessions. */
export interface EverythingServer {
  readonly url: string;
  readonly stop: () => Promise<void>;
}

/** Starts one on a port that was free. It takes no port 0, so another process may be quicker: then the next is tried. */
export async function startEverything(): Promise<EverythingServer> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const port = await freePort();
    const child = spawn(process.execPath, [MAIN, "streamableHttp"], {
      env: { ...process.env, PORT: String(port) },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const kill = (): boolean => child.kill("SIGKILL");
    process.once("exit", kill);
    if (await isListening(child)) {
      return {
        url: `http://localhost:${port}/mcp`,
        stop: async () => {
          const gone = once(child, "exit");
          if (child.exitCode === null && kill()) await gone;
          process.removeListener("exit", kill);
        },
      };
    }
    process.removeListener("exit", kill);
  }
  throw new Error("the everything server found no port");
}

/** Whether it said that it listens before it ended. */
function isListening(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    let said = "";
    child.stderr?.on("data", (bytes: Buffer) => {
      said += String(bytes);
      if (said.includes("listening on port")) resolve(true);
    });
    child.once("exit", () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const listening = await listenOn(createServer());
  await listening.stop();
  return listening.port;
}
