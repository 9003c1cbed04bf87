// The program under test: `./test e2e` builds it and names it in BAILIWICK_BIN.
//   const server = await startBailiwick({ args: ["--demo"], env: { BAILIWICK_…: "…" } });
//   await server.cli("organization", "list", "--json");
//   await server.restart();          // the same data, TERM then start
//   await server.kill();             // kill -9, the data stay for restart()
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort, start, temporaryFolder } from "../../kit/process.mjs";

const run = promisify(execFile);
export const BINARY = process.env.BAILIWICK_BIN ?? fileURLToPath(new URL("../../../target/debug/bailiwick", import.meta.url));

export async function startBailiwick({ args = [], env = {}, ready_ms = 60_000 } = {}) {
  const folder = temporaryFolder("server");
  const port = await freePort();
  const data = join(folder.path, "data");
  const server = { port, data, folder: folder.path, url: `http://localhost:${port}` };
  let program;

  server.start = async () => {
    program = start(BINARY, ["serve", "--listen", `127.0.0.1:${port}`, "--data", data, "--public-url", server.url, ...args], {
      env: { BAILIWICK_LOG_LEVEL: "warn", ...env },
      cwd: folder.path,
    });
    await program.ready("the server's readiness", async () => (await fetch(`${server.url}/readyz`)).ok, { timeout_ms: ready_ms });
  };
  server.output = () => program.output;
  server.kill = () => program.stop("SIGKILL");
  server.restart = async () => {
    await program.stop();
    await server.start();
  };
  server.stop = async () => {
    const ended = await program.stop();
    folder.stop();
    return ended;
  };
  // The command line on the server's own machine; the answer of --json comes back parsed.
  server.cli = async (...words) => {
    const { stdout } = await run(BINARY, [...words, "--data", data], { env: { ...process.env, ...env }, cwd: folder.path });
    return words.includes("--json") ? JSON.parse(stdout) : stdout;
  };

  try {
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}
