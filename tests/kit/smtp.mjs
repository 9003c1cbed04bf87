// A mail sink on a free port of 127.0.0.1: what the server sends, a test reads.
//   const smtp = await startSmtp();
//   const mail = await smtp.next((m) => m.to.includes("ada@northwind.test"));
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { freePort, start, until } from "./process.mjs";

const SCRIPT = fileURLToPath(new URL("smtp_sink.py", import.meta.url));
const TOOLS = process.env.BAILIWICK_TOOLS ?? fileURLToPath(new URL("../../.tools", import.meta.url));

export async function startSmtp({ refuse = [], defer = [] } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const smtp = { address: "127.0.0.1", port, messages: [] };
    let listening = false;
    const flags = [...refuse.flatMap((a) => ["--refuse", a]), ...defer.flatMap((a) => ["--defer", a])];
    const sink = start(join(TOOLS, "venv/smtp/bin/python"), [SCRIPT, "--port", String(port), ...flags], {
      on_line(line) {
        if (!line.startsWith("{")) return;
        const said = JSON.parse(line);
        if (said.port) listening = true;
        else smtp.messages.push(said);
      },
    });
    smtp.stop = () => sink.stop();
    // The first message, past or to come, that `fits` and was not handed out before.
    const taken = new Set();
    smtp.next = (fits = () => true, options) =>
      until("a mail that fits", () => {
        const mail = smtp.messages.find((m) => !taken.has(m) && fits(m));
        if (mail) taken.add(mail);
        return mail;
      }, options);
    try {
      await sink.ready("the mail sink", () => listening);
      return smtp;
    } catch (error) {
      await sink.stop();
      if (attempt === 3) throw error;
    }
  }
}
