// Programs a test needs beside it: started in a folder of their own, ready before the test goes on,
// gone when the test ends, whatever its outcome.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

// Waits until `probe` answers with something truthy and returns it; the one place where tests wait for
// real time. A refusal says what was waited for, so write `what` as "the mail to ada@example.test".
export async function until(what, probe, { timeout_ms = 15_000, every_ms = 25 } = {}) {
  const end = Date.now() + timeout_ms;
  let failure;
  for (;;) {
    try {
      const answer = await probe();
      if (answer) return answer;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${timeout_ms} ms in vain for ${what}${failure ? `: ${failure.message}` : ""}`);
    }
    await pause(every_ms);
  }
}

// A folder that goes away with `stop`.
export function temporaryFolder(name) {
  const path = mkdtempSync(join(tmpdir(), `bailiwick-${name}-`));
  return { path, stop: () => rmSync(path, { recursive: true, force: true }) };
}

// A port of 127.0.0.1 that is free now. Starters retry with another when somebody was quicker.
export async function freePort() {
  const server = createServer();
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function listens(port) {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

// Starts a program and keeps what it says. `stop` asks it to end (TERM), then insists (KILL).
export function start(command, args, { env = {}, cwd, on_line } = {}) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const run = { child, output: "", ended: undefined };
  const hear = (stream) => {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (text) => {
      run.output += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      if (on_line) lines.forEach((line) => on_line(line));
    });
  };
  hear(child.stdout);
  hear(child.stderr);
  const ended = new Promise((resolve) => {
    child.once("error", (error) => resolve((run.ended = error.message)));
    child.once("exit", (code, signal) => resolve((run.ended = signal ?? `exit code ${code}`)));
  });
  // The test runner itself may be ended; nothing stays behind then.
  const orphaned = () => child.kill("SIGKILL");
  process.once("exit", orphaned);
  run.stop = async (signal = "SIGTERM", patience_ms = 10_000) => {
    process.off("exit", orphaned);
    if (run.ended !== undefined) return run.ended;
    child.kill(signal);
    const insist = setTimeout(() => child.kill("SIGKILL"), patience_ms);
    await ended;
    clearTimeout(insist);
    return run.ended;
  };
  // Waits for `probe`, but not longer than the program lives.
  run.ready = (what, probe, options) =>
    until(what, () => {
      if (run.ended !== undefined) return { ended: run.ended };
      return probe();
    }, options).then(async (answer) => {
      if (answer?.ended !== undefined) throw new Error(`${command} ended (${answer.ended}) before ${what}:\n${run.output}`);
      return answer;
    });
  return run;
}
